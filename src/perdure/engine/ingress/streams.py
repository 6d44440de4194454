"""Streams as readers see them: `GET /restate/…/stream`, and calls that are answered with one."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.core.model import Failure, Invocation, Result
from perdure.engine.ingress.target_path import named_by_path
from perdure.engine.runtime.engine import Engine
from perdure.errors import RequestError
from perdure.stream_answers.answer import stream_answer
from perdure.stream_answers.cursor import stream_name
from perdure.streams import end
from perdure.streams.events import StreamEvent


class StreamRoutes:
    """Handlers of the routes that read streams."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def read(self, request: Request) -> Response:
        """A stream of an invocation that exists."""
        return await self.answer(request, named_by_path(request, self._engine.store))

    async def answer(self, request: Request, invocation_id: str) -> Response:
        """The stream that the request asks for."""
        log = InvocationLog(self._engine, invocation_id, stream_name(request))
        return await stream_answer(request, invocation_id, log)


class InvocationLog:
    """One stream of one invocation, as the store has it. See `perdure.stream_answers.log.Log`.

    What it reads is committed: the store is read between two transactions, on the thread that makes them.
    """

    def __init__(self, engine: Engine, invocation_id: str, stream: str) -> None:
        self._store = engine.store
        self._requests = engine.requests
        self._id = invocation_id
        self._stream = stream
        self._created_at_ms = self._invocation().created_at_ms
        self._requests.read_by(self, invocation_id)

    async def extent(self) -> tuple[int, bool]:
        ended = self._invocation().result is not None
        return self._store.streams.length(self._id, self._stream) + ended, ended

    async def read(self, start: int, count: int) -> list[StreamEvent]:
        self._requests.check_open()
        invocation = self._invocation()
        if invocation.created_at_ms != self._created_at_ms:
            # Purged and called again under the same key: its indexes mean something else.
            raise RequestError(404, f"invocation '{self._id}' was purged")
        events = self._store.streams.read(self._id, self._stream, start, count)
        if invocation.result is not None and len(events) < count:
            length = self._store.streams.length(self._id, self._stream)
            if start + len(events) == length:
                events.append(_end(length, invocation, invocation.result))
        return events

    async def grown(self, index: int) -> None:
        await self._requests.grown(self._id, self._stream, index)

    def _invocation(self) -> Invocation:
        invocation = self._store.invocation(self._id)
        if invocation is None:
            raise RequestError(404, f"invocation '{self._id}' not found")
        return invocation


def _end(index: int, invocation: Invocation, result: Result) -> StreamEvent:
    at_ms = invocation.completed_at_ms or invocation.modified_at_ms
    if isinstance(result, Failure):
        return end.failed(index, result.code, result.message, at_ms)
    return end.succeeded(index, result.value, at_ms)
