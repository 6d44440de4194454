"""What is deployed."""

from __future__ import annotations

from pydantic import BaseModel, HttpUrl, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.engine.admin.times import iso
from perdure.engine.runtime.engine import Engine
from perdure.engine.storage.deployments import Deployment
from perdure.errors import DiscoveryFailed, RequestError
from perdure.protocol.discovery import ServiceManifest

_TYPES = {"SERVICE": "Service", "VIRTUAL_OBJECT": "VirtualObject", "WORKFLOW": "Workflow"}


def service_view(service: ServiceManifest, deployment: Deployment) -> dict[str, object]:
    """A service as one deployment has it."""
    return {
        "name": service.name,
        "ty": _TYPES[service.kind],
        "deployment_id": deployment.id,
        "documentation": service.documentation,
        "handlers": [
            {
                "name": handler.name,
                "ty": handler.kind.capitalize() or None,
                "documentation": handler.documentation,
                "public": not handler.options.ingress_private,
                "input_json_schema": handler.input_schema,
                "output_json_schema": handler.output_schema,
            }
            for handler in service.handlers.values()
        ],
    }


class DeploymentRoutes:
    """Handlers of `/deployments` and `/services`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list(self, request: Request) -> Response:
        """Oldest first."""
        return JSONResponse({"deployments": [_view(d) for d in self._engine.store.deployments.all()]})

    async def services(self, request: Request) -> Response:
        """Each service, as its newest deployment has it."""
        newest = {
            name: service_view(service, deployment)
            for deployment in self._engine.store.deployments.all()
            for name, service in deployment.manifest.services.items()
        }
        return JSONResponse({"services": list(newest.values())})

    async def register(self, request: Request) -> Response:
        """Discover and keep a deployment: 201 when it is new, 200 when it was known."""
        try:
            asked = Registration.model_validate_json(await request.body())
        except ValidationError as error:
            raise RequestError(400, f"bad registration: {_told(error)}") from None
        try:
            deployment, created = await self._engine.registry.register_remote(
                str(asked.uri).rstrip("/"),
                asked.additional_headers or {},
                http1=asked.use_http_11,
                force=asked.force,
                dry_run=asked.dry_run,
            )
        except DiscoveryFailed as error:
            raise RequestError(400, str(error)) from error
        return JSONResponse(
            _view(deployment),
            201 if created else 200,
            {"location": f"deployments/{deployment.id}"},
        )


class Registration(BaseModel):
    """The body of `POST /deployments`, as the restate CLI sends it."""

    uri: HttpUrl
    additional_headers: dict[str, str] | None = None
    use_http_11: bool = False
    force: bool = False
    dry_run: bool = False


def _told(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())


def _view(deployment: Deployment) -> dict[str, object]:
    manifest = deployment.manifest
    return {
        "id": deployment.id,
        "uri": deployment.address,
        "protocol_type": "BidiStream" if manifest.bidirectional else "RequestResponse",
        "http_version": "HTTP/1.1" if deployment.http1 else "HTTP/2.0",
        "created_at": iso(deployment.created_at_ms),
        "max_protocol_version": manifest.protocol_version,
        "services": [service_view(service, deployment) for service in manifest.services.values()],
    }
