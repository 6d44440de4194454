"""The ingress: which path means what.

One table of path shapes. What is wrong in a path is told with the status that restate-server has for it.
There is no OpenAPI document on this port, as there is none on its: the admin API has one for each service.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.engine.ingress.completions import CompletionRoutes
from perdure.engine.ingress.cors import cors_middleware
from perdure.engine.ingress.door import EngineDoor
from perdure.engine.ingress.errors import EXCEPTION_HANDLERS
from perdure.engine.ingress.invocations import InvocationRoutes
from perdure.engine.ingress.publishing import PublishRoutes
from perdure.engine.ingress.results import ResultRoutes
from perdure.engine.ingress.streams import StreamRoutes
from perdure.engine.ingress.target_path import segments
from perdure.engine.runtime.engine import Engine
from perdure.errors import RequestError
from perdure.stream_answers.browser import module_response

Endpoint = Callable[[Request], Awaitable[Response]]

# Every method reaches us: which ones a path takes is known once the path is.
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_READ = ("GET",)
_WRITE = ("POST",)
_CALL = ("GET", "POST")


def ingress_app(engine: Engine) -> Starlette:
    """The ASGI app that listens on the ingress port."""
    return Starlette(
        routes=[Route("/{path:path}", _Ingress(engine).answer, methods=_METHODS)],
        middleware=[cors_middleware(engine.options)],
        exception_handlers=EXCEPTION_HANDLERS,
    )


class _Ingress:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._streams = StreamRoutes(engine)
        self._invocations = InvocationRoutes(engine, self._streams)
        self._results = ResultRoutes(engine)
        self._completions = CompletionRoutes(engine)
        self._publishing = PublishRoutes(engine)
        self._door = EngineDoor(engine)

    async def answer(self, request: Request) -> Response:
        methods, endpoint = self._route(segments(request))
        if request.method not in methods:
            raise RequestError(405, "method not allowed")
        return await endpoint(request)

    def _route(self, path: list[str]) -> tuple[tuple[str, ...], Endpoint]:
        match path:
            case ["restate", "health"]:
                return _READ, self._health
            case ["restate", "client.js"]:
                return _READ, self._client_module
            case ["restate", "awakeables" | "a", _, "resolve" | "reject"]:
                return _WRITE, self._completions.awakeable
            case ["restate", "signals", _, _, "resolve" | "reject"]:
                return _WRITE, self._completions.signal
            case ["restate", "promises", _, _, _, "resolve" | "reject"]:
                return _WRITE, self._completions.promise
            case ["restate", "awakeables" | "a", *_]:
                raise RequestError(400, "bad path: write /restate/awakeables/{id}/resolve or .../reject")
            case ["restate", "call" | "send", *_]:
                return _CALL, self._invocations.by_verb
            case ["restate", "scope", _, "call" | "send", *_]:
                raise RequestError(400, "scoped invocations are not supported: leave /scope/... out")
            case ["restate", "invocation" | "workflow", *_, "stream"]:
                return _READ, self._streams.read
            case ["restate", "streams", _, _]:
                return _WRITE, self._publishing.publish
            case ["restate", "attach", _] | ["restate", "invocation" | "workflow", *_, "attach"]:
                return _READ, self._results.attach
            case ["restate", "output", _] | ["restate", "invocation" | "workflow", *_, "output"]:
                return _READ, self._results.output
            case ["restate", "attach"]:
                return _WRITE, self._results.attach_by_body
            case ["restate", "output"]:
                return _WRITE, self._results.output_by_body
            case ["restate", "lookup"]:
                return _WRITE, self._results.lookup
            case ["restate", "invocation", _]:
                raise RequestError(400, "bad path: write /restate/invocation/{id}/attach, /output or /stream")
            case ["restate", _, *_] | ["openapi", _, *_]:
                raise RequestError(404, "not found")
            case ["v1", *_] if self._engine.store.service_kind("v1") is None:
                return tuple(_METHODS), self._door.answer
            case [_, _, *_]:
                return _CALL, self._invocations.by_path
            case _:
                raise RequestError(400, f"bad path: /{'/'.join(path)}: write /service/handler")

    async def _client_module(self, request: Request) -> Response:
        return module_response()

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"services": self._engine.store.deployments.service_names()})
