"""What an attempt has published and its streams do not have yet.

Publishing does not wait, so what is published goes into the outbox, and a task of the real loop sends it on:
the first event at once, then, batch by batch, whatever gathered while the last one was on its way. One batch
of a stream is on its way at a time, so its events arrive in order, whatever carries them.

Nothing is lost with an outbox that dies. What the run published follows from the journal, so its next
attempt publishes it again. A step has its events on disk before its outcome is proposed to the journal, so a
step that dies earlier is made again, and publishes anew.

A stream that cannot be reached must not hold a run for ever, since the record matters more. So waiting is
bounded, memory is bounded, and both say so in the log.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable

from restate.context import AttemptFinishedEvent

from perdure.streams.append import Batch, Gap
from perdure.streams.events import RUN, NewEvent
from perdure.streams.sink import AttemptOver, Sink

logger = logging.getLogger("perdure.streams")

WAIT_S_MAX = 10.0
UNSENT_BYTES_MAX = 16 * 1024 * 1024
_EVENT_BYTES = 200  # what an event takes beside its payload
_BATCH_BYTES_MAX = 1024 * 1024
_BATCH_EVENTS_MAX = 1000
_BACKOFF_S_MAX = 2.0


class Source:
    """Who publishes: the run, or one try of a step. See `perdure.streams`."""

    def __init__(self, name: str, attempt: tuple[int, ...]) -> None:
        self.name = name
        self.attempt = attempt
        self.published: dict[str, int] = {}  # events, by stream
        self.lost: set[str] = set()  # streams that miss an event of it, and so get no more


class _Unsent:
    """A batch that still grows."""

    def __init__(self, source: Source, offset: int) -> None:
        self.source, self.offset = source, offset
        self.events: list[NewEvent] = []
        self.size = 0

    def has_room(self) -> bool:
        return self.size < _BATCH_BYTES_MAX and len(self.events) < _BATCH_EVENTS_MAX


class Outbox:
    """The outbox of one attempt. `put` may be called from any thread, all else from that of the real loop.

    loop, thread: the real loop, and the id of its thread.
    """

    def __init__(
        self,
        sink: Sink,
        attempt_finished: AttemptFinishedEvent,
        loop: asyncio.AbstractEventLoop,
        thread: int,
    ) -> None:
        self.run = Source(RUN, ())
        self._sink = sink
        self._attempt_finished = attempt_finished
        self._loop = loop
        self._thread = thread
        self._changed = threading.Condition()  # guards all below
        self._unsent: dict[str, deque[_Unsent]] = {}
        self._unsent_bytes = 0
        self._sending: dict[str, _Unsent] = {}
        self._senders: dict[str, asyncio.Task[None]] = {}
        self._progress: list[asyncio.Future[None]] = []
        self._reachable = True
        self._over = False

    def step(self, ordinal: int, attempt: int) -> Source:
        """The source of one try of a step."""
        return Source(f"s{ordinal}", (self._sink.attempt, attempt))

    def put(self, source: Source, stream: str, event: NewEvent) -> None:
        """Publish an event. In a thread other than the loop's it waits for room; elsewhere it cannot, and
        what exceeds the bound is dropped.
        """
        size = len(event.payload.encode()) + _EVENT_BYTES
        with self._changed:
            if not self._has_room(size) and threading.get_ident() != self._thread:
                self._changed.wait_for(lambda: self._has_room(size), WAIT_S_MAX)
            if self._over or stream in source.lost:
                return
            offset = source.published.get(stream, 0)
            if not self._has_room(size):
                self._lose(source, stream, f"more than {UNSENT_BYTES_MAX} bytes wait to be sent")
                return
            source.published[stream] = offset + 1
            batch = self._batch(source, stream, offset)
            batch.events.append(event)
            batch.size += size
            self._unsent_bytes += size
        self._wake(stream)

    def withdraw(self, source: Source) -> None:
        """Supersede what a try of a step has published: its outcome is no success."""
        retried = Source(source.name, (*source.attempt[:-1], source.attempt[-1] + 1))
        for stream in list(source.published):
            with self._changed:
                self._unsent.setdefault(stream, deque()).append(_Unsent(retried, 0))
            self._wake(stream)

    async def flush(self, source: Source) -> None:
        """Wait until what a source has published is on disk.

        Not longer than `WAIT_S_MAX`, and not at all while the streams are known to be out of reach.
        """
        await self._wait_while(lambda: self._reachable and self._holds(source))

    async def room(self) -> None:
        """Wait, as long as `flush` does, while more than half of the bound is used up."""
        if self._unsent_bytes > UNSENT_BYTES_MAX // 2:
            await self._wait_while(lambda: self._reachable and self._unsent_bytes > UNSENT_BYTES_MAX // 2)

    async def empty(self) -> None:
        """Wait until all is on disk, `WAIT_S_MAX` at most. What is left then, only a replay can publish."""
        await self._wait_while(self._holds)

    async def _wait_while(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(WAIT_S_MAX):
                while condition():
                    await self._next_progress()
        except TimeoutError:
            self._unreachable("no answer")

    def _has_room(self, size: int) -> bool:
        return self._over or self._unsent_bytes + size <= UNSENT_BYTES_MAX

    def _batch(self, source: Source, stream: str, offset: int) -> _Unsent:
        """The batch that an event joins.

        An event of a step may overtake what other steps publish at the same time, so that the tokens of ten
        models at once do not go one by one. It never overtakes what the run publishes, nor the other way
        round.
        """
        unsent = self._unsent.setdefault(stream, deque())
        for batch in reversed(unsent):
            if batch.source is source and batch.has_room():
                return batch
            if batch.source.name in (RUN, source.name) or source.name == RUN:
                break
        unsent.append(_Unsent(source, offset))
        return unsent[-1]

    def _wake(self, stream: str) -> None:
        if threading.get_ident() == self._thread:
            self._start(stream)
            return
        try:
            self._loop.call_soon_threadsafe(self._start, stream)
        except RuntimeError:  # the loop is closed: a thread outlived everything
            self._over = True

    def _start(self, stream: str) -> None:
        if stream not in self._senders and not self._over:
            task = self._loop.create_task(
                self._send(stream), name=f"stream {stream}", context=contextvars.Context()
            )
            self._senders[stream] = task

    async def _send(self, stream: str) -> None:
        try:
            while (batch := self._next(stream)) is not None:
                await self._append(stream, batch)
                self._sent(stream, batch)
        except AttemptOver:
            self._close()
        except Exception:
            logger.exception("streams: events are dropped until the next attempt")
            self._close()
        finally:
            self._sending.pop(stream, None)
            del self._senders[stream]
            self._progressed()

    def _next(self, stream: str) -> _Unsent | None:
        with self._changed:
            unsent = self._unsent.get(stream)
            if self._over or not unsent:
                return None
            batch = self._sending[stream] = unsent.popleft()
            return batch

    async def _append(self, stream: str, unsent: _Unsent) -> None:
        source = unsent.source
        batch = Batch(source.name, source.attempt, unsent.offset, tuple(unsent.events))
        delay_s = 0.02
        while not self._over:
            if self._attempt_finished.is_set():
                raise AttemptOver
            try:
                await self._sink.append(stream, batch)
            except Gap as gap:
                with self._changed:
                    self._lose(source, stream, str(gap))
                return
            except ConnectionError as error:
                if delay_s >= _BACKOFF_S_MAX:
                    self._unreachable(str(error))
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, _BACKOFF_S_MAX)
            else:
                self._reachable = True
                return

    def _close(self) -> None:
        """What was not sent belongs to the next attempt."""
        with self._changed:
            self._over = True
            self._unsent.clear()
            self._unsent_bytes = 0
            self._changed.notify_all()
        self._progressed()

    def _sent(self, stream: str, batch: _Unsent) -> None:
        with self._changed:
            del self._sending[stream]
            self._unsent_bytes = max(0, self._unsent_bytes - batch.size)
            self._changed.notify_all()
        self._progressed()

    def _holds(self, source: Source | None = None) -> bool:
        with self._changed:
            batches = [*self._sending.values(), *(batch for sent in self._unsent.values() for batch in sent)]
        return any(source is None or batch.source.name == source.name for batch in batches)

    async def _next_progress(self) -> None:
        progress: asyncio.Future[None] = self._loop.create_future()
        self._progress.append(progress)
        await progress

    def _progressed(self) -> None:
        waiting, self._progress = self._progress, []
        for progress in waiting:
            if not progress.done():
                progress.set_result(None)

    def _lose(self, source: Source, stream: str, why: str) -> None:
        if stream in source.lost:
            return
        source.lost.add(stream)
        logger.warning(
            "streams: stream %r misses events of %r from %s on: %s",
            stream,
            source.name,
            source.published.get(stream, 0),
            why,
        )

    def _unreachable(self, why: str) -> None:
        if self._reachable:
            self._reachable = False
            logger.warning("streams: out of reach (%s); runs go on, readers see their events later", why)
        self._progressed()
