"""The ingress's routes."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.engine.ingress.awakeables import AwakeableRoutes
from perdure.engine.ingress.invocations import InvocationRoutes
from perdure.engine.json_errors import EXCEPTION_HANDLERS
from perdure.engine.runtime.engine import Engine

_CALL = ["GET", "POST"]


def ingress_app(engine: Engine) -> Starlette:
    """The ASGI app that listens on the ingress port."""
    invocations = InvocationRoutes(engine)
    awakeables = AwakeableRoutes(engine)
    return Starlette(
        routes=[
            Route("/restate/health", _health),
            Route("/restate/awakeables/{id}/resolve", awakeables.resolve, methods=["POST"]),
            Route("/restate/awakeables/{id}/reject", awakeables.reject, methods=["POST"]),
            Route("/restate/call/{target:path}", invocations.by_verb, methods=_CALL),
            Route("/restate/send/{target:path}", invocations.by_verb, methods=_CALL),
            Route("/restate/attach/{id}", invocations.attach),
            Route("/restate/output/{id}", invocations.output),
            Route("/restate/{which:path}/attach", invocations.attach),
            Route("/restate/{which:path}/output", invocations.output),
            Route("/{target:path}", invocations.by_path, methods=_CALL),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
    )


async def _health(request: Request) -> Response:
    return JSONResponse({})
