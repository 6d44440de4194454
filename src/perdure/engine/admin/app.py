"""The admin API's routes."""

from __future__ import annotations

from importlib.metadata import version

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.engine.admin.deployments import DeploymentRoutes
from perdure.engine.admin.invocations import InvocationRoutes
from perdure.engine.admin.verbs import VerbRoutes
from perdure.engine.json_errors import EXCEPTION_HANDLERS
from perdure.engine.runtime.engine import Engine


def admin_app(engine: Engine, ingress_url: str) -> Starlette:
    """The ASGI app that listens on the admin port."""
    invocations = InvocationRoutes(engine)
    deployments = DeploymentRoutes(engine)

    async def about(request: Request) -> Response:
        return JSONResponse({"version": version("perdure"), "ingress_endpoint": ingress_url})

    return Starlette(
        routes=[
            Route("/health", _health),
            Route("/version", about),
            Route("/deployments", deployments.list, methods=["GET"]),
            Route("/deployments", deployments.register, methods=["POST"]),
            Route("/services", deployments.services),
            Route("/invocations", invocations.list),
            Route("/invocations/{id}", invocations.describe),
            *VerbRoutes(engine).routes(),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
    )


async def _health(request: Request) -> Response:
    return JSONResponse({})
