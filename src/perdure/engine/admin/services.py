"""Services: list, describe, configure, describe to machines, and write to their state."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.engine.admin.body import read_json
from perdure.engine.admin.openapi import service_openapi
from perdure.engine.admin.service_view import handler_view, service_view
from perdure.engine.core.durations import parse_duration_ms
from perdure.engine.runtime.engine import Engine
from perdure.engine.storage.deployments import Deployment
from perdure.errors import RequestError
from perdure.protocol.discovery import HandlerOptions, ServiceManifest


def _is_duration(text: str) -> str:
    parse_duration_ms(text)
    return text


Duration = Annotated[str, AfterValidator(_is_duration)]


class Configuration(BaseModel):
    """The body of `PATCH /services/{name}`. Null: as it was."""

    public: bool | None = None
    idempotency_retention: Duration | None = None
    workflow_completion_retention: Duration | None = None
    journal_retention: Duration | None = None
    inactivity_timeout: Duration | None = None
    abort_timeout: Duration | None = None

    def options(self) -> HandlerOptions:
        """The same, in milliseconds."""
        return HandlerOptions(
            inactivity_timeout_ms=_ms(self.inactivity_timeout),
            abort_timeout_ms=_ms(self.abort_timeout),
            journal_retention_ms=_ms(self.journal_retention),
            idempotency_retention_ms=_ms(self.idempotency_retention),
            workflow_retention_ms=_ms(self.workflow_completion_retention),
            ingress_private=None if self.public is None else not self.public,
        )


class StateWrite(BaseModel):
    """The body of `POST /services/{name}/state`: the whole new state of one key, as lists of bytes."""

    version: str | None = None
    object_key: str
    new_state: dict[str, list[Annotated[int, Field(ge=0, le=255)]]]


class ServiceRoutes:
    """Handlers of `/services…`. Each service is shown as its newest deployment has it."""

    def __init__(self, engine: Engine, ingress_url: str) -> None:
        self._engine = engine
        self._ingress_url = ingress_url

    async def list(self, request: Request) -> Response:
        """By name."""
        names = sorted({name for d in self._engine.store.deployments.all() for name in d.manifest.services})
        return JSONResponse({"services": [self._view(*self._of(name)) for name in names]})

    async def describe(self, request: Request) -> Response:
        """One."""
        return JSONResponse(self._view(*self._named(request)))

    async def handlers(self, request: Request) -> Response:
        """Its handlers."""
        _, service = self._named(request)
        return JSONResponse({"handlers": [handler_view(h, service) for h in service.handlers.values()]})

    async def handler(self, request: Request) -> Response:
        """One of them."""
        _, service = self._named(request)
        handler = service.handlers.get(request.path_params["handler"])
        if handler is None:
            raise RequestError(404, f"'{service.name}' has no handler '{request.path_params['handler']}'")
        return JSONResponse(handler_view(handler, service))

    async def openapi(self, request: Request) -> Response:
        """How it is called over HTTP, as an OpenAPI document."""
        deployment, service = self._named(request)
        return JSONResponse(
            service_openapi(service, deployment.revisions.get(service.name, 1), self._ingress_url)
        )

    async def configure(self, request: Request) -> Response:
        """Set options of the service, in the place of what its deployment says."""
        deployment, service = self._named(request)
        asked = await read_json(request, Configuration)
        options = asked.options()
        if options.workflow_retention_ms is not None and service.kind != "WORKFLOW":
            raise RequestError(
                400, f"'{service.name}' is no workflow: it has no workflow_completion_retention"
            )
        if options != HandlerOptions():
            deployment = self._engine.registry.set_options(deployment.id, service.name, options)
        return JSONResponse(self._view(deployment, deployment.manifest.services[service.name]))

    async def write_state(self, request: Request) -> Response:
        """Replace the state of one key: 202 once it is so."""
        name = str(request.path_params["name"])
        asked = await read_json(request, StateWrite)
        found = self._engine.store.deployments.of_service(name)
        if found is None and asked.new_state:  # of a service that is gone, what is left may be cleared
            raise RequestError(404, f"service '{name}' not found")
        if found is not None and found[1].kind == "SERVICE":
            raise RequestError(
                400, f"'{name}' is a service and keeps no state: virtual objects and workflows do"
            )
        state = {key.encode(): bytes(value) for key, value in asked.new_state.items()}
        await self._engine.requests.write_state(name, asked.object_key, state, asked.version)
        return Response(status_code=202)

    def _named(self, request: Request) -> tuple[Deployment, ServiceManifest]:
        return self._of(str(request.path_params["name"]))

    def _of(self, name: str) -> tuple[Deployment, ServiceManifest]:
        found = self._engine.store.deployments.of_service(name)
        if found is None:
            raise RequestError(404, f"service '{name}' not found")
        return found

    def _view(self, deployment: Deployment, service: ServiceManifest) -> dict[str, object]:
        return service_view(service, deployment, self._engine.options)


def _ms(duration: str | None) -> int | None:
    return None if duration is None else parse_duration_ms(duration)
