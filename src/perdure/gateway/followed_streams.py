"""Streams that somebody reads: each is polled once, however many read it.

An object's state cannot be waited for from outside. So while a stream has readers we look at it again and
again, soon after it grew and less often while it is quiet; and at once when it was appended to in this
process, which serves the object. The end of the invocation is waited for, by an attach.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress
from weakref import WeakValueDictionary

from perdure.errors import RequestError
from perdure.gateway.restate_server import RestateServer, Result, Succeeded
from perdure.stream_answers.log import Log
from perdure.streams.end import failed, succeeded
from perdure.streams.events import StreamEvent

PAUSE_MIN_S = 0.02
PAUSE_MAX_S = 0.25
# An append tells us before the server has made its state visible.
PAUSE_AFTER_APPEND_S = 0.004
QUIET_S = 5.0
PAGE_EVENTS = 200


class FollowedStreams:
    """All that are read now."""

    def __init__(self, restate: RestateServer) -> None:
        self._restate = restate
        self._streams: MutableMapping[str, FollowedStream] = WeakValueDictionary()

    def log(self, invocation_id: str, name: str) -> Log:
        """The stream, shared with who reads it already."""
        key = f"{invocation_id}/{name}"
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = FollowedStream(self._restate, invocation_id, key)
        return stream

    def appended(self, key: str) -> None:
        """A stream has probably grown."""
        if (stream := self._streams.get(key)) is not None:
            stream.look_now()


class FollowedStream:
    """A `Log`. It knows the stream's length, its newest page, and its end once there is one."""

    def __init__(self, restate: RestateServer, invocation_id: str, key: str) -> None:
        self._restate = restate
        self._id = invocation_id
        self._key = key
        self._length = 0
        self._newest: list[StreamEvent] = []
        self._end: StreamEvent | None = None
        self._readers = 0
        self._poller: asyncio.Task[None] | None = None
        self._lost: RequestError | None = None
        self._changed = asyncio.Event()
        self._look = asyncio.Event()

    async def extent(self) -> tuple[int, bool]:
        result = await self._restate.output(self._id)
        if result is None:
            await self._look_again()
        else:
            await self._complete(result)
        return self._count(), self._end is not None

    async def read(self, start: int, count: int) -> list[StreamEvent]:
        if self._newest and self._newest[0].index <= start <= self._newest[-1].index:
            events = self._newest[start - self._newest[0].index :][:count]
        elif start < self._length:
            events = await self._page(start, count)
        else:
            events = []
        if self._end is not None and start + len(events) == self._end.index and len(events) < count:
            events.append(self._end)
        return events

    async def grown(self, index: int) -> None:
        self._readers += 1
        try:
            while self._count() <= index:
                if self._poller is None or self._poller.done():
                    self._lost = None
                    self._poller = asyncio.create_task(self._poll())
                await self._changed.wait()
                if self._lost is not None:
                    raise self._lost
        finally:
            self._readers -= 1

    def look_now(self) -> None:
        """The stream has probably grown."""
        self._look.set()

    def _count(self) -> int:
        return self._length + (self._end is not None)

    async def _poll(self) -> None:
        attached = asyncio.create_task(self._restate.attach(self._id))
        attached.add_done_callback(lambda _: self._look.set())
        pause_s, quiet_s = PAUSE_MIN_S, 0.0
        try:
            # A reader is none for a moment after each event, so the last one is waited for a little.
            while self._end is None and quiet_s < QUIET_S:
                quiet_s = 0.0 if self._readers else quiet_s + pause_s
                pause_s = await self._pause(pause_s)
                if attached.done() and (lost := attached.exception()) is not None:
                    self._lose(lost)
                    return
                with suppress(RequestError):  # the server is away: the readers wait for it
                    if attached.done():
                        await self._complete(attached.result())
                    elif await self._look_again():
                        pause_s = PAUSE_MIN_S
        finally:
            attached.cancel()

    async def _pause(self, pause_s: float) -> float:
        """Sleep, and return how long to sleep next time."""
        try:
            await asyncio.wait_for(self._look.wait(), pause_s)
        except TimeoutError:
            return min(pause_s * 1.5, PAUSE_MAX_S)
        self._look.clear()
        return PAUSE_AFTER_APPEND_S

    async def _look_again(self) -> bool:
        """Whether there is more than before."""
        start = self._length
        page = await self._restate.read(self._key, start, PAGE_EVENTS)
        if page.length <= self._length:
            return False
        self._newest = page.events(start)
        self._length = page.length
        self._wake()
        return True

    async def _complete(self, result: Result) -> None:
        if self._end is not None:
            return
        sealed = await self._restate.seal(self._key)
        self._length = sealed.length
        if isinstance(result, Succeeded):
            self._end = succeeded(sealed.length, result.output, sealed.at_ms)
        else:
            self._end = failed(sealed.length, result.code, result.message, sealed.at_ms)
        self._wake()

    async def _page(self, start: int, count: int) -> list[StreamEvent]:
        events = (await self._restate.read(self._key, start, count)).events(start)
        if not events:
            raise RequestError(404, f"stream '{self._key}' was forgotten")
        return events

    def _lose(self, error: BaseException) -> None:
        self._lost = error if isinstance(error, RequestError) else RequestError(500, str(error))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
