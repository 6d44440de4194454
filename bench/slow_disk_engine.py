"""`perdure up` on a disk whose every commit takes longer: an experiment, run by slow_disk.py.

    python slow_disk_engine.py WHERE DELAY_MS up TARGET ...

The real commit happens as ever. Then, before its actions are performed, comes the delay: WHERE is `loop`, as
the engine is built (the commit holds the event loop), or `thread`, as it could be (a worker thread holds the
commit; the loop goes on, and what arrives meanwhile shares the next commit).
"""

from __future__ import annotations

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from perdure.cli.main import main
from perdure.engine.core import machine
from perdure.engine.core.actions import Action
from perdure.engine.runtime import engine
from perdure.engine.runtime.processor import BATCH_INPUTS_MAX, Processor

where, delay_s = sys.argv[1], float(sys.argv[2]) / 1000
writer = ThreadPoolExecutor(1)


class SlowProcessor(Processor):
    """Without the error paths of the real one: nothing fails here."""

    _committing = False

    def flush(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if self._committing or not self._queue:
            return
        batch, self._queue = self._queue[:BATCH_INPUTS_MAX], self._queue[BATCH_INPUTS_MAX:]
        actions: list[Action] = []
        now_ms = self._clock_ms()
        self._store.transact(
            lambda: actions.extend(a for event in batch for a in machine.apply(event, self._store, now_ms))
        )
        if where == "loop":
            time.sleep(delay_s)
            self._act(actions)
        else:
            self._committing = True
            committed = asyncio.get_running_loop().run_in_executor(writer, time.sleep, delay_s)
            committed.add_done_callback(lambda _: self._act(actions))

    def _act(self, actions: list[Action]) -> None:
        self._committing = False
        for action in actions:
            self._perform(action)
        if self._queue and not self._wake_is_lazy:
            self.flush()


setattr(engine, "Processor", SlowProcessor)  # noqa: B010  the engine has no option for an experiment
sys.argv = ["perdure", *sys.argv[3:]]
main()
