"""An event loop whose time is a number, and which runs only when it is told to."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from math import ceil
from typing import Any

from perdure.testing.simulator.power import PowerCut

RUNS_MAX = 100_000


class SimulatedLoop(asyncio.AbstractEventLoop):
    """What asyncio guarantees (callbacks run in the order in which they were scheduled), and no I/O."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.power_was_cut = False
        self.errors: list[str] = []
        """What callbacks raised. The engine's should raise nothing."""
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._scheduled = 0

    # ---- for the simulator

    def run_ready(self) -> None:
        """Run callbacks until none is left, or the power is cut."""
        for _ in range(RUNS_MAX):
            if not self._ready or self.power_was_cut:
                return
            handle = self._ready.popleft()
            if not handle.cancelled():
                handle._run()
        self.errors.append("the loop spins: callbacks schedule callbacks without end")

    def next_timer_ms(self) -> int | None:
        """When the next timer is due."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def advance_to(self, at_ms: int) -> None:
        """Let time pass; timers on the way run at their time."""
        while not self.power_was_cut and (due_ms := self.next_timer_ms()) is not None and due_ms <= at_ms:
            self.now_ms = max(self.now_ms, due_ms)
            self._ready.append(heapq.heappop(self._timers)[2])
            self.run_ready()
        if not self.power_was_cut:
            self.now_ms = max(self.now_ms, at_ms)

    def stall_until(self, at_ms: int) -> None:
        """Time passes and nothing runs, as when a laptop sleeps; then all that fell due runs at once."""
        self.now_ms = max(self.now_ms, at_ms)
        while (due_ms := self.next_timer_ms()) is not None and due_ms <= self.now_ms:
            self._ready.append(heapq.heappop(self._timers)[2])

    # ---- for asyncio

    def time(self) -> float:
        return self.now_ms / 1000

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, Any],  # type: ignore[override]  # generators are not what we run
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(self.time() + delay, callback, args, self, context)
        self._scheduled += 1
        # In whole milliseconds, rounded up: a wait for the 1e-13 s that a float lacks would never end.
        heapq.heappush(self._timers, (self.now_ms + ceil(delay * 1000), self._scheduled, handle))
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_later(when - self.time(), callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays in the heap until its time."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, PowerCut):
            self.power_was_cut = True
        elif not self.power_was_cut:
            self.errors.append(f"{context.get('message')}: {error!r}")
