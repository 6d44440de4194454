"""Purge what has outlived its retention, a few at a time, behind the live work.

A completed invocation is deleted with its journal, which may be long, and thousands may fall due in one
second: as many as were called in one second, a day before. So purges get transactions of their own, small
enough to take a few milliseconds, and most of the time between two of them is left to others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from perdure.engine.core.inputs import Input, TimerFired
from perdure.engine.core.model import Timer
from perdure.engine.storage.sqlite_store import SqliteStore

logger = logging.getLogger(__name__)

BATCH_MAX = 100
BATCH_MIN = 10
"""Where a commit alone takes as long as a batch may, fewer at once might not keep up with the calls."""
BATCH_S_MAX = 0.005
"""A live input that arrives in the middle of a batch waits for no longer than about this."""
REST_FACTOR = 4
"""After a batch, so many times as long as it took belongs to others."""
RETRY_S = 10.0
"""A purge that cannot be carried out is left alone for so long, and keeps nobody else from being purged."""
STUCK_LOOK_MS = 1000
READ_S_MAX = 30.0
READ_LOOK_S = 0.25
WAIT_S_MAX = 60.0
"""The wall clock may be set while we wait: look again after so long, at least."""


class Retention:
    """Carries out the purges that fall due."""

    def __init__(
        self,
        store: SqliteStore,
        clock_ms: Callable[[], int],
        apply: Callable[[list[Input]], None],
        is_read: Callable[[str], bool] = lambda _invocation_id: False,
    ) -> None:
        """`apply` carries out inputs in one transaction, now. `is_read` says whether somebody reads a stream
        of an invocation: it is then kept READ_S_MAX longer at most, so that its readers come to the end.
        """
        self._is_read = is_read
        self._store = store
        self._clock_ms = clock_ms
        self._apply = apply
        self._loop = asyncio.get_running_loop()
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at_ms: int | None = None
        self._batch = BATCH_MAX
        self._stuck = frozenset[Timer]()

    def start(self) -> None:
        """Begin with what fell due while the engine was down."""
        self._wait_until(self._clock_ms())

    def set(self, timer: Timer) -> None:
        """A purge is in the store."""
        if self._wake_at_ms is None or timer.at_ms < self._wake_at_ms:
            self._wait_until(timer.at_ms)

    def stop(self) -> None:
        """Purge no more."""
        if self._wake is not None:
            self._wake.cancel()

    def _wait_until(self, at_ms: int, at_least_s: float = 0) -> None:
        self.stop()
        self._wake_at_ms = at_ms
        delay_s = min((at_ms - self._clock_ms() + 1) / 1000, WAIT_S_MAX)
        self._wake = self._loop.call_later(max(delay_s, at_least_s), self._purge)

    def _purge(self) -> None:
        due = self._store.timers.due(self._clock_ms(), self._batch + len(self._stuck), background=True)
        batch = [timer for timer in due if timer not in self._stuck]
        if read := frozenset(timer for timer in batch if self._waits_for_readers(timer)):
            batch = [timer for timer in batch if timer not in read]
            self._stuck |= read
            self._loop.call_later(READ_LOOK_S, self._try_again, read)
        began_at = self._loop.time()
        if batch:
            self._apply([TimerFired(timer) for timer in batch])
        took_s = self._loop.time() - began_at
        self._fit_batch(took_s)
        if batch and (remaining := self._not_purged(batch)):
            logger.warning("%d invocations could not be purged; next try in %d s", len(remaining), RETRY_S)
            self._stuck |= remaining
            self._loop.call_later(RETRY_S, self._try_again, remaining)
        self._wake_at_ms = None
        if self._stuck and not batch:
            self._wait_until(self._clock_ms() + STUCK_LOOK_MS)
        elif (next_at_ms := self._store.timers.next_at_ms(background=True)) is not None:
            self._wait_until(next_at_ms, at_least_s=took_s * REST_FACTOR)

    def _fit_batch(self, took_s: float) -> None:
        if took_s > BATCH_S_MAX:
            self._batch = max(BATCH_MIN, self._batch // 2)
        elif took_s < BATCH_S_MAX / 4:
            self._batch = min(BATCH_MAX, self._batch * 2)

    def _waits_for_readers(self, timer: Timer) -> bool:
        return self._clock_ms() < timer.at_ms + READ_S_MAX * 1000 and self._is_read(timer.invocation_id)

    def _not_purged(self, batch: list[Timer]) -> frozenset[Timer]:
        purge_at_ms = self._store.timers.purge_at_ms
        return frozenset(timer for timer in batch if purge_at_ms(timer.invocation_id) == timer.at_ms)

    def _try_again(self, remaining: frozenset[Timer]) -> None:
        self._stuck -= remaining
