"""The single writer: queued inputs, one transaction, one commit, then the actions.

    take every queued input
    one transaction: for each input, actions += machine.apply(input, tx)
    commit                                # one fsync for all of them
    perform the actions

Everything runs on the event loop's own thread, between two of its callbacks: whatever arrived in one turn
of the loop, and while the last fsync ran, shares the next one. Measured: a writer thread adds a thread
switch to every step and gains nothing in throughput (docs/decisions/0002).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from perdure.engine.core import machine
from perdure.engine.core.actions import Action
from perdure.engine.core.inputs import Input
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.errors import StoreFailed

logger = logging.getLogger(__name__)

LAZY_DELAY_S = 0.05
"""How long an input that nobody waits for may wait for another to share its commit with."""

BATCH_INPUTS_MAX = 1000
"""A bound on one transaction, so that its first input does not wait for a flood behind it."""


class Processor:
    """Applies inputs in the order in which they were submitted."""

    def __init__(
        self,
        store: SqliteStore,
        clock_ms: Callable[[], int],
        perform: Callable[[Action], None],
        failed: Callable[[Input, Exception], None],
        committed: Callable[[list[Input], list[Action], float], None] = lambda *_: None,
    ) -> None:
        """`failed` hears of every input that was not applied, and why; nothing of it is in the store.
        `committed` hears what one transaction was about and how many seconds it took, before the actions
        are performed."""
        self._store = store
        self._clock_ms = clock_ms
        self._perform = perform
        self._failed = failed
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._queue: list[Input] = []
        self._wake: asyncio.Handle | None = None
        self._wake_is_lazy = False

    def submit(self, event: Input, *, lazy: bool = False) -> None:
        """Queue an input. A lazy one does not cause a commit by itself (for LAZY_DELAY_S at least)."""
        self._queue.append(event)
        if self._wake is not None and not (self._wake_is_lazy and not lazy):
            return
        if self._wake is not None:
            self._wake.cancel()
        self._wake_is_lazy = lazy
        self._wake = (
            self._loop.call_later(LAZY_DELAY_S, self.flush) if lazy else self._loop.call_soon(self.flush)
        )

    def apply_behind(self, batch: list[Input]) -> None:
        """Apply inputs that nobody waits for in a transaction of their own, behind all that is queued."""
        self.flush()
        self._apply(batch)

    def flush(self) -> None:
        """Apply all that is queued, now."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        while self._queue:
            batch, self._queue = self._queue[:BATCH_INPUTS_MAX], self._queue[BATCH_INPUTS_MAX:]
            self._apply(batch)

    def _apply(self, batch: list[Input]) -> None:
        actions: list[Action] = []

        def work() -> None:
            now_ms = self._clock_ms()
            for event in batch:
                actions.extend(machine.apply(event, self._store, now_ms))

        began_at_s = time.perf_counter()
        try:
            self._store.transact(work)
        except StoreFailed as error:
            logger.error("%s", error)
            for event in batch:
                self._failed(event, error)
        except Exception as error:
            if len(batch) > 1:
                # A defect in one rule must not take down the others' inputs: find out whose it was.
                for event in batch:
                    self._apply([event])
            else:
                logger.exception("cannot apply %r", batch[0])
                self._failed(batch[0], error)
        else:
            self._committed(batch, actions, time.perf_counter() - began_at_s)
            for action in actions:
                self._perform(action)
