"""What is deployed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.engine.admin.times import iso
from perdure.engine.runtime.engine import Engine
from perdure.engine.storage.deployments import Deployment
from perdure.errors import RequestError


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
            name: {
                "name": name,
                "ty": "Service",
                "deployment_id": deployment.id,
                "documentation": service.documentation,
                "handlers": [
                    {
                        "name": handler.name,
                        "documentation": handler.documentation,
                        "public": not handler.options.ingress_private,
                        "input_json_schema": handler.input_schema,
                        "output_json_schema": handler.output_schema,
                    }
                    for handler in service.handlers.values()
                ],
            }
            for deployment in self._engine.store.deployments.all()
            for name, service in deployment.manifest.services.items()
        }
        return JSONResponse({"services": list(newest.values())})

    async def register(self, request: Request) -> Response:
        """Remote deployments are not here yet, and that is said rather than feigned."""
        raise RequestError(
            501,
            "this version of the engine runs apps of its own process only (perdure up app.py); "
            "remote deployments need restate-server",
        )


def _view(deployment: Deployment) -> dict[str, object]:
    return {
        "id": deployment.id,
        "uri": deployment.address,
        "created_at": iso(deployment.created_at_ms),
        "max_protocol_version": deployment.manifest.protocol_version,
        "services": [{"name": name} for name in deployment.manifest.services],
    }
