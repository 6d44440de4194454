"""The OpenAI-compatible door, on this engine."""

from __future__ import annotations

import os
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from perdure.door.port import Handler, Invocation
from perdure.door.port import Target as DoorTarget
from perdure.door.routes import Door
from perdure.engine.core.model import Status, Success, Target
from perdure.engine.ingress.input_check import check_input
from perdure.engine.ingress.streams import InvocationLog
from perdure.engine.ingress.target_path import segments
from perdure.engine.request_body import read_body
from perdure.engine.runtime.engine import Engine
from perdure.errors import RequestError
from perdure.protocol.ids import idempotent_invocation_id, random_invocation_id
from perdure.streams import end
from perdure.streams.events import DEFAULT_NAME, StreamEvent

_JSON = "application/json"
_NOT_STARTED = (Status.SCHEDULED, Status.PENDING)


class EngineDoor:
    """Handler of the routes below `/v1`."""

    def __init__(self, engine: Engine) -> None:
        async def body(request: Request) -> bytes:
            return await read_body(request, engine.options.request_bytes_max)

        self._door = Door(_EngineInvocations(engine), body)

    async def answer(self, request: Request) -> Response:
        """See `perdure.door.routes`."""
        return await self._door.answer(request, segments(request)[1:])


class _EngineInvocations:
    """See `perdure.door.port.Invocations`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def handlers(self) -> Sequence[Handler]:
        deployments = self._engine.store.deployments
        newest = [deployments.of_service(name) for name in deployments.service_names()]
        return [
            Handler(
                service.name,
                service.kind,
                handler.name,
                handler.input_content_type,
                handler.input_schema,
                handler.output_schema,
                deployment.created_at_ms,
            )
            for deployment, service in filter(None, newest)
            for handler in service.handlers.values()
            if not handler.options.ingress_private
        ]

    async def send(self, target: DoorTarget, body: bytes, idempotency_key: str | None) -> str:
        handler = self._engine.store.handler(target.service, target.handler)
        if handler is None:  # another deployment came in between
            raise RequestError(404, f"service '{target.service}' has no handler '{target.handler}'")
        check_input(handler, _JSON, body)
        if idempotency_key is None:
            invocation_id = random_invocation_id(self._engine.clock_ms(), os.urandom(18))
        else:
            invocation_id = idempotent_invocation_id(
                target.service, target.handler, target.key, idempotency_key
            )
        headers = (("content-type", _JSON),)
        await self._engine.requests.invoke(invocation_id, Target(*target), body, headers, idempotency_key)
        return invocation_id

    async def find(self, invocation_id: str) -> Invocation:
        found = self._engine.store.invocation(invocation_id)
        if found is None:
            raise RequestError(404, f"invocation '{invocation_id}' not found")
        target = DoorTarget(found.target.service, found.target.handler, found.target.key)
        return Invocation(found.id, target, found.created_at_ms, found.status not in _NOT_STARTED)

    async def finished(self, invocation_id: str) -> StreamEvent:
        result = await self._engine.requests.result(invocation_id)
        if isinstance(result, Success):
            return end.succeeded(0, result.value, self._engine.clock_ms())
        return end.failed(0, result.code, result.message, self._engine.clock_ms())

    async def cancel(self, invocation_id: str) -> None:
        await self._engine.requests.cancel(invocation_id)

    def log(self, invocation_id: str) -> InvocationLog:
        return InvocationLog(self._engine, invocation_id, DEFAULT_NAME)
