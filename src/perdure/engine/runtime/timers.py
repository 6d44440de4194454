"""Fire timers when they are due. The table is the heap: a waiting timer costs its row and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from perdure.engine.core.inputs import TimerFired
from perdure.engine.core.model import Timer
from perdure.engine.storage.sqlite_store import SqliteStore

FIRED_AT_ONCE_MAX = 500
RETRY_MS = 1000
WAIT_S_MAX = 60.0
"""The wall clock may be set while we wait: look again after so long, at least."""


class TimerService:
    """Submits TimerFired for each due timer, once."""

    def __init__(
        self, store: SqliteStore, clock_ms: Callable[[], int], submit: Callable[[TimerFired], None]
    ) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._submit = submit
        self._loop = asyncio.get_running_loop()
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at_ms: int | None = None
        self._in_flight: set[Timer] = set()

    def start(self) -> None:
        """Fire what fell due meanwhile, and wait for the rest. Again after the clock was set."""
        self.stop()
        self._fire()

    def set(self, timer: Timer) -> None:
        """A timer is in the store."""
        if self._wake_at_ms is None or timer.at_ms < self._wake_at_ms:
            self._wait_until(timer.at_ms)

    def stop(self) -> None:
        """Fire no more."""
        if self._wake is not None:
            self._wake.cancel()

    def _wait_until(self, at_ms: int) -> None:
        self.stop()
        self._wake_at_ms = at_ms
        # Rounded up: waking a moment early would find nothing due.
        delay_s = min((at_ms - self._clock_ms() + 1) / 1000, WAIT_S_MAX)
        self._wake = self._loop.call_later(max(delay_s, 0), self._fire)

    def _fire(self) -> None:
        self._wake_at_ms = None
        due = self._store.timers.due(self._clock_ms(), FIRED_AT_ONCE_MAX)
        # Those submitted and not yet applied are still in the table. If nothing but those is due, the disk
        # is refusing writes: try them again, at leisure.
        fresh = [timer for timer in due if timer not in self._in_flight]
        self._in_flight = set(due) if fresh else set()
        for timer in fresh:
            self._submit(TimerFired(timer))
        if due:
            self._wait_until(self._clock_ms() + (0 if fresh else RETRY_MS))
        elif (next_at_ms := self._store.timers.next_at_ms()) is not None:
            self._wait_until(next_at_ms)
