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
_BY_KEY = "/restate/invocation/{service}/{handler}/{idempotency_key}"


def ingress_app(engine: Engine) -> Starlette:
    """The ASGI app that listens on the ingress port."""
    invocations = InvocationRoutes(engine)
    awakeables = AwakeableRoutes(engine)
    return Starlette(
        routes=[
            Route("/restate/health", _health),
            Route("/restate/invocation/{id}/attach", invocations.attach),
            Route("/restate/invocation/{id}/output", invocations.output),
            Route(f"{_BY_KEY}/attach", invocations.attach),
            Route(f"{_BY_KEY}/output", invocations.output),
            Route("/restate/awakeables/{id}/resolve", awakeables.resolve, methods=["POST"]),
            Route("/restate/awakeables/{id}/reject", awakeables.reject, methods=["POST"]),
            Route("/{service}/{handler}", invocations.call, methods=_CALL),
            Route("/{service}/{handler}/send", invocations.send, methods=_CALL),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
    )


async def _health(request: Request) -> Response:
    return JSONResponse({})
