"""Deployments: register, list, describe, update, delete."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, HttpUrl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.engine.admin.api_version import api_version
from perdure.engine.admin.body import read_json
from perdure.engine.admin.service_view import service_view
from perdure.engine.runtime import registry
from perdure.engine.runtime.engine import Engine
from perdure.engine.storage.deployments import Deployment
from perdure.engine.times import iso
from perdure.errors import DiscoveryFailed, RequestError

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t -~]*")


def _sendable(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} cannot be sent over HTTP")
    return {name.lower(): value for name, value in headers.items()}


Headers = Annotated[dict[str, str], AfterValidator(_sendable)]


class Registration(BaseModel):
    """The body of `POST /deployments`, as the restate CLI sends it."""

    uri: HttpUrl
    additional_headers: Headers | None = None
    metadata: dict[str, str] = {}
    use_http_11: bool = False
    breaking: bool = False
    force: bool | None = None
    dry_run: bool = False


class Update(BaseModel):
    """The body of `PATCH /deployments/{id}`."""

    uri: HttpUrl | None = None
    additional_headers: Headers | None = None
    use_http_11: bool | None = None
    overwrite: bool = False
    dry_run: bool = False


class DeploymentRoutes:
    """Handlers of `/deployments…`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list(self, request: Request) -> Response:
        """Oldest first, with the names and revisions of their services."""
        views = [
            self._view(deployment)
            | {
                "services": [
                    {"name": name, "revision": deployment.revisions.get(name, 1)}
                    for name in deployment.manifest.services
                ]
            }
            for deployment in self._engine.store.deployments.all()
        ]
        return JSONResponse({"deployments": views})

    async def describe(self, request: Request) -> Response:
        """One, with its services."""
        return JSONResponse(self._detailed(self._named(request)))

    async def register(self, request: Request) -> Response:
        """Discover and keep a deployment: 201 when it is new, 200 when it was known."""
        asked = await read_json(request, Registration)
        version = api_version(request)
        force = version == 2 if asked.force is None else asked.force
        try:
            deployment, outcome = await self._engine.registry.register_remote(
                registry.Registration(
                    uri=str(asked.uri),
                    headers=asked.additional_headers or {},
                    metadata=asked.metadata,
                    http1=asked.use_http_11,
                    breaking=asked.breaking,
                    force=force,
                    dry_run=asked.dry_run,
                )
            )
        except DiscoveryFailed as error:
            raise RequestError(400, str(error), "META0003") from error
        status = 200
        if outcome is registry.Outcome.CREATED:
            status = 201
        elif version == 2 and outcome is registry.Outcome.UNCHANGED:
            raise RequestError(409, f"deployment {deployment.id} exists already")
        elif version == 2:
            status = 201
        manifest = deployment.manifest
        answer: dict[str, object] = {
            "id": deployment.id,
            "services": self._services(deployment),
            "min_protocol_version": manifest.protocol_version_min,
            "max_protocol_version": manifest.protocol_version_max,
        }
        if deployment.sdk_version is not None:
            answer["sdk_version"] = deployment.sdk_version
        return JSONResponse(answer, status, {"location": f"deployments/{deployment.id}"})

    async def update(self, request: Request) -> Response:
        """Reach it at another address, with other headers, or over another version of HTTP."""
        if request.method == "PUT" and api_version(request) > 2:
            raise RequestError(405, "PUT is of admin API version 2: use PATCH")
        deployment = self._named(request)
        asked = await read_json(request, Update)
        if asked.uri is None and asked.additional_headers is None and asked.use_http_11 is None:
            return JSONResponse(self._detailed(deployment))
        try:
            updated = await self._engine.registry.update(
                deployment.id,
                uri=str(asked.uri) if asked.uri is not None else None,
                headers=asked.additional_headers,
                http1=asked.use_http_11,
                overwrite=asked.overwrite,
                dry_run=asked.dry_run,
            )
        except DiscoveryFailed as error:
            raise RequestError(400, str(error), "META0003") from error
        return JSONResponse(self._detailed(updated))

    async def delete(self, request: Request) -> Response:
        """Forget it, whatever still runs there."""
        deployment = self._named(request)
        if request.query_params.get("force") != "true":
            raise RequestError(
                501,
                "a deployment is not drained first: see that nothing runs there, and add ?force=true",
            )
        self._engine.registry.delete(deployment.id)
        return Response(status_code=202)

    def _named(self, request: Request) -> Deployment:
        deployment = self._engine.store.deployments.get(request.path_params["id"])
        if deployment is None:
            raise RequestError(404, f"deployment '{request.path_params['id']}' not found")
        return deployment

    def _detailed(self, deployment: Deployment) -> dict[str, object]:
        return self._view(deployment) | {"services": self._services(deployment)}

    def _services(self, deployment: Deployment) -> Sequence[dict[str, object]]:
        services = deployment.manifest.services.values()
        return [service_view(service, deployment, self._engine.options) for service in services]

    def _view(self, deployment: Deployment) -> dict[str, object]:
        manifest = deployment.manifest
        view: dict[str, object] = {
            "id": deployment.id,
            "uri": deployment_uri(deployment),
            "protocol_type": "BidiStream" if manifest.bidirectional else "RequestResponse",
            "http_version": "HTTP/1.1" if deployment.http1 else "HTTP/2.0",
            "additional_headers": dict(deployment.headers) or None,
            "metadata": dict(deployment.metadata) or None,
            "created_at": iso(deployment.created_at_ms),
            "min_protocol_version": manifest.protocol_version_min,
            "max_protocol_version": manifest.protocol_version_max,
            "sdk_version": deployment.sdk_version,
        }
        return {key: value for key, value in view.items() if value is not None}


def deployment_uri(deployment: Deployment) -> str:
    """Its address as a URI that tools can parse: `in-process://engine/app.py:app` for one of this process."""
    if deployment.is_remote:
        return deployment.address
    name = deployment.address.removeprefix("in-process:").lstrip("/")
    return f"in-process://engine/{quote(name)}"
