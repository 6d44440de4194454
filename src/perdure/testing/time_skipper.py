"""Skip the time in which nothing happens: when nothing runs, it is the time of the next timer.

Time is skipped only while a test waits for something. So a test that has sent something for tomorrow can
look at it today.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from perdure.engine.core.model import TIME_MS_MAX, Status, TimerKind
from perdure.engine.runtime.engine import Engine
from perdure.testing.virtual_clock import VirtualClock
from perdure.testing.watched_transport import WatchedTransport

T = TypeVar("T")

POLL_S = 0.001
TIMERS_MAX = 10_000


class TimeSkipper:
    """Moves the clock of one engine, from timer to timer, in order."""

    def __init__(self, engine: Engine, clock: VirtualClock, transport: WatchedTransport) -> None:
        self._engine = engine
        self._clock = clock
        self._transport = transport

    async def until_done(self, wanted: Coroutine[Any, Any, T], *, skips: bool) -> T:
        """The result of `wanted`; with `skips`, no durable timer is waited for in real time."""
        task = asyncio.ensure_future(wanted)
        try:
            while not (await asyncio.wait({task}, timeout=POLL_S if skips else None))[0]:
                if self.nothing_runs():
                    self._to_next_timer(TIME_MS_MAX)
            return task.result()
        finally:
            task.cancel()

    async def settle(self) -> None:
        """Return when nothing runs, and no timer is due."""
        while not self.nothing_runs() or self._is_due():  # noqa: ASYNC110 - handlers run code of others
            await asyncio.sleep(POLL_S)

    async def advance_to(self, at_ms: int) -> None:
        """Let all timers up to `at_ms` fire, each in its turn, and settle."""
        await self.settle()
        while self._to_next_timer(at_ms):
            await self.settle()
        self._clock.jump_to(at_ms)
        self._engine.clock_was_set()
        await self.settle()

    def nothing_runs(self) -> bool:
        """No attempt is open and none is about to be. Attempts that only wait are asked to suspend."""
        self._engine.flush()
        for conversation in list(self._transport.conversations):
            conversation.suspend_if_silent()
        running = list(self._engine.store.invocations.newest(1, Status.RUNNING, None))
        return not self._transport.conversations and not running

    def _to_next_timer(self, latest_ms: int) -> bool:
        """Jump to it, unless it is due already (then it is about to fire) or later than `latest_ms`."""
        # Only what makes an invocation go on is worth a jump; on the way to it, the others fire in order.
        timers = self._engine.store.timers.due(latest_ms, TIMERS_MAX)
        at_ms = next((timer.at_ms for timer in timers if timer.kind is not TimerKind.PURGE), None)
        if at_ms is None:
            return False
        if at_ms > self._clock():
            self._clock.jump_to(at_ms)
            self._engine.clock_was_set()
        return True

    def _is_due(self) -> bool:
        return bool(self._engine.store.timers.due(self._clock(), 1))
