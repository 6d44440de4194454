"""The admin API's routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from perdure.engine.admin import api_version
from perdure.engine.admin.awakeables import AwakeableRoutes
from perdure.engine.admin.deployments import DeploymentRoutes
from perdure.engine.admin.errors import EXCEPTION_HANDLERS
from perdure.engine.admin.invocations import InvocationRoutes
from perdure.engine.admin.metrics import metrics_route
from perdure.engine.admin.query import query_route
from perdure.engine.admin.reads import Reads
from perdure.engine.admin.services import ServiceRoutes
from perdure.engine.admin.verbs import VerbRoutes
from perdure.engine.introspection.processes import QueryProcesses
from perdure.engine.runtime.engine import Engine
from perdure.engine.storage.connection import FILE_NAME

FEATURES = {"vqueues": False}
"""Of restate-server's; tools choose by them what they ask for."""


def admin_app(engine: Engine, ingress_url: str, queries: QueryProcesses | None = None) -> Starlette:
    """The ASGI app that listens on the admin port. SQL needs `queries`, and an engine with a file."""
    routes = api_version.versioned(
        [*_routes(engine, ingress_url), *([query_route(queries)] if queries else [])]
    )
    routes.append(metrics_route(engine))
    return Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS)


def _routes(engine: Engine, ingress_url: str) -> list[BaseRoute]:
    reads = Reads(engine.options.data_dir / FILE_NAME)
    invocations = InvocationRoutes(engine, reads)
    awakeables = AwakeableRoutes(reads)
    deployments = DeploymentRoutes(engine)
    services = ServiceRoutes(engine, ingress_url)

    async def about(request: Request) -> Response:
        return JSONResponse(
            {
                "engine": "perdure",  # told apart from restate-server by this
                "version": version("perdure"),
                "min_admin_api_version": api_version.MIN,
                "max_admin_api_version": api_version.MAX,
                "ingress_endpoint": ingress_url,
                "features": FEATURES,
            }
        )

    return [
        Route("/health", _health),
        Route("/version", about),
        Route("/cluster-health", _cluster_health),
        Route("/deployments", deployments.list, methods=["GET"]),
        Route("/deployments", deployments.register, methods=["POST"]),
        Route("/deployments/{id}", deployments.describe, methods=["GET"]),
        Route("/deployments/{id}", deployments.update, methods=["PATCH", "PUT"]),
        Route("/deployments/{id}", deployments.delete, methods=["DELETE"]),
        Route("/services", services.list),
        Route("/services/{name}", services.describe, methods=["GET"]),
        Route("/services/{name}", services.configure, methods=["PATCH"]),
        Route("/services/{name}/handlers", services.handlers),
        Route("/services/{name}/handlers/{handler}", services.handler),
        Route("/services/{name}/openapi", services.openapi),
        Route("/services/{name}/state", services.write_state, methods=["POST"]),
        Route("/subscriptions", _none_of("subscriptions")),
        Route("/kafka-clusters", _none_of("clusters")),
        Route("/invocations", invocations.list),
        Route("/invocations/count", invocations.count),
        Route("/invocations/{id}", invocations.describe, methods=["GET"]),
        Route("/invocations/{id}/journal", invocations.journal),
        Route("/invocations/{id}/failures", invocations.failures),
        Route("/awakeables", awakeables.list),
        Route("/awakeables/{id}", awakeables.describe),
        *VerbRoutes(engine).routes(),
    ]


async def _health(request: Request) -> Response:
    return Response()


async def _cluster_health(request: Request) -> Response:
    """A cluster of one, which keeps its metadata itself."""
    return JSONResponse({"cluster_name": "perdure", "metadata_cluster_health": {"members": ["N1"]}})


def _none_of(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def none(request: Request) -> Response:
        """This engine has no Kafka: tools that list it see that there is nothing."""
        return JSONResponse({name: []})

    return none
