"""Calls and sends, and their results later."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.engine.core.model import Target
from perdure.engine.ingress.body import read_body
from perdure.engine.ingress.delay import parse_delay_ms
from perdure.engine.ingress.input_check import check_input
from perdure.engine.ingress.responses import ID_HEADER, result_response
from perdure.engine.runtime.engine import Engine
from perdure.errors import RequestError
from perdure.protocol.discovery import HandlerManifest
from perdure.protocol.ids import decode_invocation_id, idempotent_invocation_id, random_invocation_id

_NOT_PASSED_ON = frozenset({"connection", "host", "idempotency-key", "content-length", "transfer-encoding"})


class InvocationRoutes:
    """Handlers of the routes that make invocations and read their results."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def call(self, request: Request) -> Response:
        """Invoke, wait, answer with the result. A client that leaves does not end the invocation."""
        if "delay" in request.query_params:
            raise RequestError(400, "a call cannot be delayed: use /send for that")
        handler = self._handler(request)
        invocation_id, _ = await self._invoke(request, handler, None)
        return result_response(invocation_id, await self._engine.requests.result(invocation_id), handler)

    async def send(self, request: Request) -> Response:
        """Invoke, and answer as soon as the request is on disk."""
        handler = self._handler(request)
        delay = request.query_params.get("delay")
        execute_at_ms = self._engine.clock_ms() + parse_delay_ms(delay) if delay else None
        invocation_id, created = await self._invoke(request, handler, execute_at_ms)
        answer = {
            "invocationId": invocation_id,
            "status": "Accepted" if created else "PreviouslyAccepted",
        }
        if execute_at_ms is not None:
            at = datetime.fromtimestamp(execute_at_ms / 1000, UTC)
            answer["executionTime"] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return JSONResponse(answer, 202, {ID_HEADER: invocation_id})

    async def attach(self, request: Request) -> Response:
        """Wait for the result of an invocation that exists."""
        invocation_id = self._named_invocation(request)
        result = await self._engine.requests.result(invocation_id)
        return result_response(invocation_id, result, self._handler_of(invocation_id))

    async def output(self, request: Request) -> Response:
        """The result as it is now: 470 while there is none, as on restate-server."""
        invocation_id = self._named_invocation(request)
        result = self._engine.requests.output(invocation_id)
        if result is None:
            raise RequestError(470, "the invocation exists but has not completed yet")
        return result_response(invocation_id, result, self._handler_of(invocation_id))

    async def _invoke(
        self, request: Request, handler: HandlerManifest, execute_at_ms: int | None
    ) -> tuple[str, bool]:
        target = Target(request.path_params["service"], handler.name)
        body = await read_body(request, self._engine.options.request_bytes_max)
        check_input(handler, request.headers.get("content-type"), body)
        idempotency_key = request.headers.get("idempotency-key") or None
        if idempotency_key is None:
            invocation_id = random_invocation_id(self._engine.clock_ms(), os.urandom(18))
        else:
            invocation_id = idempotent_invocation_id(
                target.service, target.handler, target.key, idempotency_key
            )
        headers = tuple((k, v) for k, v in request.headers.items() if k not in _NOT_PASSED_ON)
        created = await self._engine.requests.invoke(
            invocation_id, target, body, headers, idempotency_key, execute_at_ms
        )
        return invocation_id, created

    def _handler(self, request: Request) -> HandlerManifest:
        service, name = request.path_params["service"], request.path_params["handler"]
        if self._engine.store.deployment_of(service) is None:
            known = sorted(s for d in self._engine.store.deployments.all() for s in d.manifest.services)
            raise RequestError(
                404, f"service '{service}' not found; registered: {', '.join(known) or 'none'}"
            )
        handler = self._engine.store.handler(service, name)
        if handler is None:
            raise RequestError(404, f"service '{service}' has no handler '{name}'")
        if handler.options.ingress_private:
            raise RequestError(400, f"'{service}/{name}' is private: only other handlers may call it")
        return handler

    def _named_invocation(self, request: Request) -> str:
        params = request.path_params
        if "idempotency_key" in params:
            return idempotent_invocation_id(
                params["service"], params["handler"], "", params["idempotency_key"]
            )
        decode_invocation_id(params["id"])
        return str(params["id"])

    def _handler_of(self, invocation_id: str) -> HandlerManifest | None:
        invocation = self._engine.store.invocation(invocation_id)
        target = invocation.target if invocation else None
        return self._engine.store.handler(target.service, target.handler) if target else None
