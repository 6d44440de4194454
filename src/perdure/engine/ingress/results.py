"""Results of invocations that exist: attach waits for one, output takes it as it is now, lookup names it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.engine.ingress.invocation_query import decode_query
from perdure.engine.ingress.responses import result_response
from perdure.engine.ingress.target_path import named_by_path
from perdure.engine.request_body import read_body
from perdure.engine.runtime.engine import Engine
from perdure.errors import RequestError
from perdure.protocol.discovery import HandlerManifest


class ResultRoutes:
    """Handlers of the routes that read results. An invocation is named by the path, or by a JSON body."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def attach(self, request: Request) -> Response:
        """Wait for the result of an invocation that exists."""
        return await self._attach(named_by_path(request, self._engine.store))

    async def output(self, request: Request) -> Response:
        """The result as it is now: 470 while there is none, as on restate-server."""
        return self._output(named_by_path(request, self._engine.store))

    async def attach_by_body(self, request: Request) -> Response:
        """As `attach`."""
        return await self._attach(await self._named_by_body(request))

    async def output_by_body(self, request: Request) -> Response:
        """As `output`."""
        return self._output(await self._named_by_body(request))

    async def lookup(self, request: Request) -> Response:
        """The id that a target and its key stand for, whether there is such an invocation or not."""
        return JSONResponse({"invocationId": await self._named_by_body(request)})

    async def _attach(self, invocation_id: str) -> Response:
        expires_at_ms = self._engine.store.timers.purge_at_ms(invocation_id)
        result = await self._engine.requests.result(invocation_id)
        return result_response(invocation_id, result, self._handler_of(invocation_id), expires_at_ms)

    def _output(self, invocation_id: str) -> Response:
        result = self._engine.requests.output(invocation_id)
        if result is None:
            raise RequestError(470, "the invocation exists but has not completed yet")
        expires_at_ms = self._engine.store.timers.purge_at_ms(invocation_id)
        return result_response(invocation_id, result, self._handler_of(invocation_id), expires_at_ms)

    async def _named_by_body(self, request: Request) -> str:
        return decode_query(await read_body(request, self._engine.options.request_bytes_max))

    def _handler_of(self, invocation_id: str) -> HandlerManifest | None:
        invocation = self._engine.store.invocation(invocation_id)
        target = invocation.target if invocation else None
        return self._engine.store.handler(target.service, target.handler) if target else None
