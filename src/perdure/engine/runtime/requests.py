"""What the outside may ask of the engine: the door that ingress and admin go through."""

from __future__ import annotations

import asyncio
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from perdure.engine.core.actions import Complete, Published, Reply
from perdure.engine.core.inputs import (
    Cancel,
    CompletePromise,
    Input,
    Invoke,
    Kill,
    Pause,
    Publish,
    Purge,
    Restart,
    Resume,
    Signal,
    WriteState,
)
from perdure.engine.core.model import Result, Target
from perdure.engine.runtime.spans import accepting
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.errors import RequestError, StoreFailed
from perdure.streams.append import Batch, Gap

Answer = asyncio.Future[Reply]


class Requests:
    """Each coroutine returns once what it asked for is on disk.

    They raise RequestError: 404 for an unknown invocation, 409 for one in the wrong status, 503 when the disk
    refuses writes (then nothing has happened).
    """

    def __init__(self, store: SqliteStore, submit: Callable[[Input], None]) -> None:
        self._store = store
        self._submit = submit
        self._waiting: defaultdict[str, list[asyncio.Future[Result]]] = defaultdict(list)
        self._readers: dict[str, weakref.WeakSet[Any]] = {}
        self._reading: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._is_closed = False

    async def invoke(
        self,
        invocation_id: str,
        target: Target,
        parameter: bytes,
        headers: tuple[tuple[str, str], ...] = (),
        idempotency_key: str | None = None,
        execute_at_ms: int | None = None,
        traceparent: str | None = None,
    ) -> bool:
        """Create an invocation. False: one with this (idempotent) id exists already."""
        with accepting(invocation_id, target, traceparent) as parent:
            reply = await self._ask(
                lambda request: Invoke(
                    invocation_id,
                    target,
                    parameter,
                    headers,
                    idempotency_key,
                    execute_at_ms,
                    request,
                    parent,
                )
            )
        return reply.created

    async def signal(self, invocation_id: str, signal: int | str, result: Result | None) -> None:
        """Send a signal: resolve or reject an awakeable (by index), or a named one."""
        await self._ask(lambda request: Signal(invocation_id, signal, result, request))

    async def complete_promise(self, service: str, key: str, name: str, result: Result) -> None:
        """Resolve or reject a durable promise. Raises RequestError(409) when it has a result already."""
        await self._ask(lambda request: CompletePromise(service, key, name, result, request))

    async def publish(self, invocation_id: str, attempt: int, stream: str, batch: Batch) -> None:
        """Add events to a stream. Raises RequestError(410) when the attempt is over, and Gap."""
        reply = await self._ask(lambda request: Publish(invocation_id, attempt, stream, batch, request))
        if reply.count is not None:
            raise Gap(reply.count)

    def read_by(self, reader: object, invocation_id: str) -> None:
        """Somebody reads a stream of this invocation, for as long as `reader` lives."""
        self._readers.setdefault(invocation_id, weakref.WeakSet()).add(reader)

    def is_read(self, invocation_id: str) -> bool:
        """Whether somebody reads a stream of it."""
        if not self._readers.get(invocation_id):
            self._readers.pop(invocation_id, None)
            return False
        return True

    async def grown(self, invocation_id: str, stream: str, index: int) -> bool:
        """Wait until a stream has an event at `index`: True; or until there can be none: False.

        Raises RequestError: 404 when there is no such invocation (any more), 503 when the engine shuts down.
        """
        while self._store.streams.length(invocation_id, stream) <= index:
            if self.output(invocation_id) is not None:
                return False
            self.check_open()
            reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._reading[invocation_id].add(reader)
            try:
                await reader
            finally:
                readers = self._reading[invocation_id]
                readers.discard(reader)
                if not readers:
                    del self._reading[invocation_id]
        return True

    async def cancel(self, invocation_id: str) -> bool:
        """Ask the invocation's code to end. True: it has ended, for it had not started."""
        return (await self._ask(lambda request: Cancel(invocation_id, request))).already

    async def kill(self, invocation_id: str) -> None:
        """End the invocation and its callees now."""
        await self._ask(lambda request: Kill(invocation_id, request))

    async def pause(self, invocation_id: str) -> bool:
        """Stop it until it is resumed. True: it was paused before."""
        return (await self._ask(lambda request: Pause(invocation_id, request))).already

    async def resume(self, invocation_id: str, deployment_id: str | None = None) -> None:
        """Start the next attempt now, on another deployment if one is named."""
        await self._ask(lambda request: Resume(invocation_id, request, deployment_id))

    async def purge(self, invocation_id: str, *, journal_only: bool = False) -> None:
        """Forget a completed invocation, or its journal."""
        await self._ask(lambda request: Purge(invocation_id, journal_only, request))

    async def restart(
        self, invocation_id: str, new_id: str, through_index: int = 0, deployment_id: str | None = None
    ) -> None:
        """Run a completed invocation again, as `new_id`, from entries 0 to `through_index` of its journal.

        Raises RequestError besides: 400 for an index that does not fit, 410 when the journal is gone, 422 for
        workflows, 425 for one that has not started.
        """
        await self._ask(lambda request: Restart(invocation_id, new_id, through_index, deployment_id, request))

    async def write_state(
        self, service: str, key: str, state: Mapping[bytes, bytes], version: str | None = None
    ) -> None:
        """Replace the state of a virtual object or workflow.

        Raises RequestError(409) while an invocation has the object, or when its state is not `version` now.
        """
        await self._ask(lambda request: WriteState(service, key, state, version, request))

    def output(self, invocation_id: str) -> Result | None:
        """The result, or None while there is none."""
        invocation = self._store.invocation(invocation_id)
        if invocation is None:
            raise RequestError(404, f"invocation '{invocation_id}' not found")
        return invocation.result

    async def result(self, invocation_id: str) -> Result:
        """Wait for the result. Raises RequestError(503) when the engine shuts down."""
        if (result := self.output(invocation_id)) is not None:
            return result
        self.check_open()
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[invocation_id]
        waiting.append(future)
        try:
            return await future
        finally:
            waiting.remove(future)
            if not waiting:
                self._waiting.pop(invocation_id, None)

    def check_open(self) -> None:
        """Raises RequestError(503) once the engine shuts down: whoever reads or waits on comes back."""
        if self._is_closed:
            raise _gone()

    def waiting(self) -> tuple[int, int]:
        """How many wait for a result, and for an event."""
        results, events = list(self._waiting.values()), list(self._reading.values())
        return sum(map(len, results)), sum(map(len, events))

    # ---- from the engine

    def close(self) -> None:
        """Tell everybody who waits for a result that it will not come from this process."""
        self._is_closed = True
        waiting: list[asyncio.Future[Any]] = [each for all_ in self._waiting.values() for each in all_]
        waiting += [each for all_ in self._reading.values() for each in all_]
        for future in waiting:
            if not future.done():
                future.set_exception(_gone())

    def reply(self, action: Reply) -> None:
        """Answer an asker. One that has left (its client disconnected) has a cancelled future."""
        answer = action.request
        assert isinstance(answer, asyncio.Future)
        if answer.done():
            return
        if action.error is not None and action.count is None:
            answer.set_exception(RequestError(*action.error))
        else:
            answer.set_result(action)

    def complete(self, action: Complete) -> None:
        """Answer those who wait for a result."""
        for future in self._waiting.get(action.id, ()):
            if not future.done():
                future.set_result(action.result)
        self._wake_readers(action.id)

    def published(self, action: Published) -> None:
        """Wake those who read."""
        self._wake_readers(action.id)

    def _wake_readers(self, invocation_id: str) -> None:
        for reader in self._reading.get(invocation_id, ()):
            if not reader.done():
                reader.set_result(None)

    def failed(self, event: Input, error: Exception) -> None:
        """An input could not be applied."""
        answer = getattr(event, "request", None)
        if isinstance(answer, asyncio.Future) and not answer.done():
            status = 503 if isinstance(error, StoreFailed) else 500
            answer.set_exception(RequestError(status, str(error)))

    async def _ask(self, make: Callable[[Answer], Input]) -> Reply:
        answer: Answer = asyncio.get_running_loop().create_future()
        self._submit(make(answer))
        return await answer


def _gone() -> RequestError:
    return RequestError(503, "the engine is shutting down; the invocation goes on when it is back")
