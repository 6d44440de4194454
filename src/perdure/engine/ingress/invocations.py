"""Calls and sends."""

from __future__ import annotations

import os

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.engine.core.model import Failure, Target
from perdure.engine.ingress.delay import parse_delay_ms
from perdure.engine.ingress.input_check import check_input
from perdure.engine.ingress.responses import ID_HEADER, result_response
from perdure.engine.ingress.streams import StreamRoutes
from perdure.engine.ingress.target_path import parse_target, path_and_query, segments
from perdure.engine.request_body import read_body
from perdure.engine.runtime.engine import Engine
from perdure.engine.times import iso
from perdure.errors import RequestError
from perdure.protocol.discovery import HandlerManifest
from perdure.protocol.ids import (
    idempotent_invocation_id,
    random_invocation_id,
    workflow_invocation_id,
)
from perdure.stream_answers.call import wants_stream
from perdure.telemetry import trace_context

_NOT_PASSED_ON = frozenset({"connection", "host", "idempotency-key", "idempotency-expires"})
_PATH_HEADER = "x-restate-ingress-path"
WORKFLOW_INVOKED = Failure(409, "the workflow method was already invoked")


class InvocationRoutes:
    """Handlers of the routes that make invocations."""

    def __init__(self, engine: Engine, streams: StreamRoutes) -> None:
        self._engine = engine
        self._streams = streams

    async def by_path(self, request: Request) -> Response:
        """`/{target}` calls, `/{target}/send` sends."""
        target, handler, rest = parse_target(segments(request), self._engine.store)
        if rest == ["send"]:
            return await self._send(request, target, handler)
        if rest:
            raise RequestError(400, f"bad path: nothing but /send may follow {target}")
        return await self._call(request, target, handler)

    async def by_verb(self, request: Request) -> Response:
        """`/restate/call/{target}` and `/restate/send/{target}`."""
        _, verb, *path = segments(request)
        target, handler, rest = parse_target(path, self._engine.store)
        if rest:
            raise RequestError(400, f"bad path: nothing may follow {target}")
        invoke = self._call if verb == "call" else self._send
        return await invoke(request, target, handler)

    async def _call(self, request: Request, target: Target, handler: HandlerManifest) -> Response:
        """Invoke, wait, answer with the result, or with the stream from its first event on. A client that
        leaves does not end the invocation."""
        if _parameter(request, "delay") is not None:
            raise RequestError(400, "a call cannot be delayed: use /send for that")
        streams = wants_stream(request)
        invocation_id, created = await self._invoke(request, target, handler, None)
        if not created and handler.kind == "WORKFLOW":
            return result_response(invocation_id, WORKFLOW_INVOKED, handler)
        if streams:
            return await self._streams.answer(request, invocation_id)
        expires_at_ms = None if created else self._engine.store.timers.purge_at_ms(invocation_id)
        result = await self._engine.requests.result(invocation_id)
        return result_response(invocation_id, result, handler, expires_at_ms)

    async def _send(self, request: Request, target: Target, handler: HandlerManifest) -> Response:
        """Invoke, and answer as soon as the request is on disk."""
        delay = _parameter(request, "delay")
        execute_at_ms = None if delay is None else self._engine.clock_ms() + parse_delay_ms(delay)
        invocation_id, created = await self._invoke(request, target, handler, execute_at_ms)
        answer = {
            "invocationId": invocation_id,
            "status": "Accepted" if created else "PreviouslyAccepted",
        }
        if execute_at_ms is not None:
            answer["executionTime"] = iso(execute_at_ms)
        return JSONResponse(answer, 202, {ID_HEADER: invocation_id})

    async def _invoke(
        self, request: Request, target: Target, handler: HandlerManifest, execute_at_ms: int | None
    ) -> tuple[str, bool]:
        if _parameter(request, "limit-key") is not None or "x-restate-limit-key" in request.headers:
            raise RequestError(400, "a limit-key needs a scope, and scopes are not supported: leave it out")
        if handler.options.ingress_private:
            raise RequestError(400, f"'{target}' is private: only other handlers may call it")
        body = await read_body(request, self._engine.options.request_bytes_max)
        check_input(handler, request.headers.get("content-type"), body)
        idempotency_key = request.headers.get("idempotency-key")
        if handler.kind == "WORKFLOW":
            if idempotency_key is not None:
                raise RequestError(400, "a workflow's run is idempotent by its key: send no idempotency-key")
            invocation_id = workflow_invocation_id(target.service, target.key)
        elif idempotency_key is not None:
            invocation_id = idempotent_invocation_id(
                target.service, target.handler, target.key, idempotency_key
            )
        else:
            invocation_id = random_invocation_id(self._engine.clock_ms(), os.urandom(18))
        passed_on = [(k, v) for k, v in request.headers.items() if k not in _NOT_PASSED_ON]
        headers = ((_PATH_HEADER, path_and_query(request)), *passed_on)
        traceparent = request.headers.get(trace_context.TRACEPARENT)
        created = await self._engine.requests.invoke(
            invocation_id, target, body, headers, idempotency_key, execute_at_ms, traceparent
        )
        return invocation_id, created


def _parameter(request: Request, name: str) -> str | None:
    """A query parameter, written in any case."""
    return next((value for key, value in request.query_params.multi_items() if key.lower() == name), None)
