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
from perdure.engine.ingress.target_path import parse_target, segments
from perdure.engine.runtime.engine import Engine
from perdure.errors import RequestError
from perdure.protocol.discovery import HandlerManifest
from perdure.protocol.ids import (
    decode_invocation_id,
    idempotent_invocation_id,
    random_invocation_id,
    workflow_invocation_id,
)

_NOT_PASSED_ON = frozenset({"connection", "host", "idempotency-key", "content-length", "transfer-encoding"})


class InvocationRoutes:
    """Handlers of the routes that make invocations and read their results."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def by_path(self, request: Request) -> Response:
        """`/{target}` calls, `/{target}/send` sends."""
        target, handler, rest = parse_target(segments(request), self._engine.store)
        if rest == ["send"]:
            return await self._send(request, target, handler)
        if rest:
            raise RequestError(404, f"bad path: nothing but /send may follow {target}")
        return await self._call(request, target, handler)

    async def by_verb(self, request: Request) -> Response:
        """`/restate/call/{target}` and `/restate/send/{target}`."""
        _, verb, *path = segments(request)
        target, handler, rest = parse_target(path, self._engine.store)
        if rest:
            raise RequestError(404, f"bad path: nothing may follow {target}")
        invoke = self._call if verb == "call" else self._send
        return await invoke(request, target, handler)

    async def _call(self, request: Request, target: Target, handler: HandlerManifest) -> Response:
        """Invoke, wait, answer with the result. A client that leaves does not end the invocation."""
        if "delay" in request.query_params:
            raise RequestError(400, "a call cannot be delayed: use /send for that")
        invocation_id, created = await self._invoke(request, target, handler, None)
        if not created and handler.kind == "WORKFLOW":
            raise RequestError(409, "the workflow method was already invoked")
        return result_response(invocation_id, await self._engine.requests.result(invocation_id), handler)

    async def _send(self, request: Request, target: Target, handler: HandlerManifest) -> Response:
        """Invoke, and answer as soon as the request is on disk."""
        delay = request.query_params.get("delay")
        execute_at_ms = self._engine.clock_ms() + parse_delay_ms(delay) if delay else None
        invocation_id, created = await self._invoke(request, target, handler, execute_at_ms)
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
        self, request: Request, target: Target, handler: HandlerManifest, execute_at_ms: int | None
    ) -> tuple[str, bool]:
        if handler.options.ingress_private:
            raise RequestError(400, f"'{target}' is private: only other handlers may call it")
        body = await read_body(request, self._engine.options.request_bytes_max)
        check_input(handler, request.headers.get("content-type"), body)
        idempotency_key = request.headers.get("idempotency-key") or None
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
        headers = tuple((k, v) for k, v in request.headers.items() if k not in _NOT_PASSED_ON)
        created = await self._engine.requests.invoke(
            invocation_id, target, body, headers, idempotency_key, execute_at_ms
        )
        return invocation_id, created

    def _named_invocation(self, request: Request) -> str:
        """By id, by workflow key, or by target and idempotency key; the verb is the last segment, or, in
        `/restate/attach/{id}`, the one before the id."""
        _, first, *path = segments(request)
        match first, path:
            case "workflow", [name, key, _]:
                if self._engine.store.service_kind(name) != "WORKFLOW":
                    raise RequestError(404, f"workflow '{name}' not found")
                return workflow_invocation_id(name, key)
            case ("attach" | "output", [invocation_id]) | ("invocation", [invocation_id, _]):
                decode_invocation_id(invocation_id)
                return invocation_id
            case "invocation", [*target_path, _]:
                target, _handler, rest = parse_target(target_path, self._engine.store)
                if len(rest) == 1:
                    return idempotent_invocation_id(target.service, target.handler, target.key, rest[0])
        raise RequestError(404, "bad path: name an invocation id, or a target and an idempotency key")

    def _handler_of(self, invocation_id: str) -> HandlerManifest | None:
        invocation = self._engine.store.invocation(invocation_id)
        target = invocation.target if invocation else None
        return self._engine.store.handler(target.service, target.handler) if target else None
