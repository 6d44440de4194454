"""An asyncio event loop that nothing but the journal can wake.

Theory of operation: the loop is a FIFO queue of callbacks and nothing else. It has no sockets, no threads and
no clock of its own. Whoever drives it (driver.py) hands it one journal notification, runs the queue until
it is empty, and hands it the next. So the order in which code on the loop runs is a function of the program
and of the order of notifications, and the service protocol replays notifications in their first order.

Rules:

* A callback enters the queue only while the loop runs. A wake-up from anywhere else (a thread, a step's
  closure, the real loop) could not be repeated by a replay, so it is refused.
* Whatever does I/O raises `NotDurable` and *dooms* the loop: no further callback runs, so no `except
  Exception` on the way can turn the mistake into silence.
* `time()` starts at 0 and moves only when a timer fires, which is a journal notification like any other.
* An abandoned loop runs nothing any more, and logs nothing.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import warnings
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import FunctionType
from typing import Any, NoReturn, Protocol, TypeVar, cast

from perdure.durable.blame import refusal
from perdure.durable.task import DurableTask, SequencedFuture, Watched
from perdure.errors import AttemptEnded, NotDurable

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)
Context = contextvars.Context


class Timers(Protocol):
    """Who turns the loop's timers into durable sleeps."""

    def start_timer(self, handle: asyncio.TimerHandle, delay_ms: int) -> None: ...


class DeterministicLoop(asyncio.AbstractEventLoop):
    """The loop that durable code runs on.

    seed: mixed into the hashes of tasks, so that those of many loops in one process do not collide; it must
        be the same on every replay of the same run.
    """

    def __init__(self, timers: Timers, seed: int = 0) -> None:
        self.doom: BaseException | None = None
        self.tasks: dict[DurableTask[Any], None] = {}
        self._timers = timers
        self._seed = seed & 0xFFFFFFFF
        self._sequence = 0
        self._ready: deque[asyncio.Handle] = deque()
        self._now = 0.0
        self._running = False
        self._outer: asyncio.AbstractEventLoop | None = None
        self._abandoned = False
        self._closed = False
        self._async_generators: dict[int, AsyncGenerator[Any, Any]] = {}
        self._exception_handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None

    # ---- driving it

    def run_until_idle(self, wake: Callable[[], object]) -> None:
        """Call `wake`, then run the queue until it is empty or the loop is doomed.

        Must be called from a plain callback of the real loop, not from within one of its tasks: CPython
        keeps one current task per running loop (per thread, from 3.14 on), and entering a task inside
        another is refused.
        """
        if self._abandoned or self.doom is not None:
            return
        outer = self._outer = asyncio._get_running_loop()
        hooks = sys.get_asyncgen_hooks()
        # No finalizer runs user code at the whim of the garbage collector: generators are kept until the end.
        sys.set_asyncgen_hooks(firstiter=self._keep_async_generator, finalizer=_leave_alone)
        asyncio._set_running_loop(self)
        self._running = True
        try:
            wake()
            while self._ready and self.doom is None:
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            self._running = False
            asyncio._set_running_loop(outer)
            sys.set_asyncgen_hooks(*hooks)

    def call_outside(self, function: Callable[[], object]) -> None:
        """Call a function as a callback of the real loop would. For what is no part of the run: tasks that it
        starts are tasks of the real loop.
        """
        asyncio._set_running_loop(self._outer)
        try:
            function()
        finally:
            asyncio._set_running_loop(self)

    def fire(self, handle: asyncio.TimerHandle) -> None:
        """Queue a timer whose durable sleep is over. The clock never goes back."""
        self._now = max(self._now, handle.when())
        self._ready.append(handle)

    def abandon(self) -> None:
        """End every task at once and in silence: the attempt is over, the run is not.

        CPython cannot free a suspended coroutine without resuming it once, so we end them here, at a defined
        point and newest task first, instead of leaving it to the collector. The loop is dead before it
        happens: what a `finally` block of the user then tries to do durably raises AttemptEnded before it
        reaches the journal, and what it tries to schedule is dropped.
        """
        if self._abandoned:
            return
        self._abandoned = True
        self._ready.clear()
        outer = asyncio._get_running_loop()
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._keep_async_generator, finalizer=_leave_alone)
        asyncio._set_running_loop(self)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                for task in reversed(list(self.tasks)):
                    task.end()
                self.tasks.clear()
                self._async_generators.clear()
        finally:
            asyncio._set_running_loop(outer)
            sys.set_asyncgen_hooks(*hooks)
            self._closed = True

    def next_hash(self) -> int:
        """A hash for a new task or future: its sequence number, so that sets iterate alike on replay."""
        self._sequence += 1
        return (self._seed << 24) + self._sequence

    def raise_doom(self, error: BaseException) -> None:
        """Let nothing more run: the first error wins, and the driver raises it."""
        if self.doom is None:
            self.doom = error

    def check_alive(self) -> None:
        """Raise if durable code may not act any more. Called before every command that it issues."""
        if self._abandoned:
            raise AttemptEnded
        if self.doom is not None:
            raise self.doom

    def refuse(self, what: str, advice: str | None = None) -> NotDurable:
        """Doom the loop for something that the running code does, and return the error to raise."""
        if self._abandoned:
            raise AttemptEnded
        return self.condemn(refusal(what, cast(FunctionType, DeterministicLoop.run_until_idle), advice))

    def condemn(self, error: E) -> E:
        """Doom the loop for an error that must reach the user, and return it to be raised."""
        self.raise_doom(error)
        return error

    # ---- scheduling

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if self._abandoned:
            return handle
        if not self._running:
            raise self.refuse(
                "woke code on the deterministic loop from outside of it (a step's closure, a thread)"
            )
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if self._running and asyncio._get_running_loop() is self:
            return self.call_soon(callback, *args, context=context)
        if self._abandoned or _wakes_nobody(callback, args):
            return asyncio.Handle(callback, args, self, context)
        raise self.refuse(f"woke the deterministic loop from thread {threading.current_thread().name!r}")

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if self._abandoned:
            return handle
        if not self._running:
            raise self.refuse("set a timer of the deterministic loop from outside of it")
        delay_ms = -int((self._now - when) * 1000 // 1)  # rounded up: a timer never fires early
        if delay_ms > 0:
            self._timers.start_timer(handle, delay_ms)
        else:
            self._ready.append(handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """asyncio tells us; the driver looks at `handle.cancelled()` before it waits."""

    def time(self) -> float:
        """Seconds since the run began, as far as its timers tell."""
        return self._now

    def create_future(self) -> asyncio.Future[Any]:
        return SequencedFuture(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
        **_options: Any,  # eager_start (3.14): starting at once or at the next turn is our own choice
    ) -> asyncio.Task[T]:
        if sys._getframe(1).f_code.co_name == "__del__":
            # The object was of the real loop, and nobody can wait for its clean-up.
            coro.close()
            return cast(asyncio.Task[T], self.create_future())
        if self._abandoned:
            coro.close()
            raise AttemptEnded
        if _is_of_restate(coro):
            coro.close()
            raise self.refuse("awaited the handler's own restate context", _USE_DURABLE_CONTEXT)
        context = context or contextvars.copy_context()
        return DurableTask(Watched(coro, self), loop=self, name=name, context=context)

    # ---- async generators

    def _keep_async_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        if len(self._async_generators) % 64 == 63:
            finished = [k for k, g in self._async_generators.items() if getattr(g, "ag_frame", None) is None]
            for key in finished:
                del self._async_generators[key]
        self._sequence += 1
        self._async_generators[self._sequence] = generator

    async def shutdown_asyncgens(self) -> None:
        """Close the generators that were not run to their end, in the order in which they were started."""
        generators = list(self._async_generators.values())
        self._async_generators.clear()
        for generator in generators:
            await generator.aclose()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There is none."""

    # ---- state, errors

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        """Debug mode would change timing only, so it is accepted and ignored."""

    def get_task_factory(self) -> None:
        return None

    def get_exception_handler(
        self,
    ) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None:
        return self._exception_handler

    def set_exception_handler(
        self, handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None
    ) -> None:
        self._exception_handler = handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._abandoned:
            return
        if self._exception_handler is not None:
            self._exception_handler(self, context)
        else:
            self.default_exception_handler(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        asyncio.BaseEventLoop.default_exception_handler(_LOG_FORMATTER, context)


def _wakes_nobody(callback: Callable[..., object], args: tuple[Any, ...]) -> bool:
    """Whether all that the callback could do is to complete a future that nobody waits for.

    A finalizer makes such a one: a connection that the collector frees while our loop runs, whoever used it,
    has its thread say goodbye to the running loop. Who awaits the future after all is told that it is Stuck.
    """
    subjects = (getattr(callback, "__self__", None), *args[:1])
    futures = [subject for subject in subjects if isinstance(subject, SequencedFuture)]
    return bool(futures) and not any(future._callbacks for future in futures)


def _leave_alone(_generator: object) -> None:
    """An async generator that nobody holds any more is freed as it stands; none of its lines runs."""


def _is_of_restate(coroutine: Any) -> bool:
    """Whether the SDK itself wants a task: it does so to await a future of the handler's own context."""
    frame = getattr(coroutine, "cr_frame", None)
    return frame is not None and str(frame.f_globals.get("__name__", "")).startswith("restate.")


_USE_DURABLE_CONTEXT = (
    "Its futures belong to the real event loop. Use the context of the durable run instead: "
    "durable.current(), or wrapper.context in a tool of a run that was given context=ctx"
)


class _LogFormatter(asyncio.BaseEventLoop):
    """asyncio's own wording of unhandled errors, with no loop behind it."""

    def __init__(self) -> None:
        self._current_handle = None

    def __del__(self, _warn: object = None) -> None:
        """It was never opened, so there is nothing to close."""

    def get_debug(self) -> bool:
        return False


_LOG_FORMATTER = _LogFormatter()

# What code on the loop would do if it called the method. Everything that touches the world outside the
# journal.
REFUSED = {
    "run_in_executor": "ran a function in a thread (run_in_executor, asyncio.to_thread)",
    "set_default_executor": "set a thread pool",
    "getaddrinfo": "resolved a host name",
    "getnameinfo": "resolved an address",
    "create_connection": "opened a network connection",
    "create_unix_connection": "opened a socket connection",
    "create_datagram_endpoint": "opened a UDP socket",
    "create_server": "opened a listening socket",
    "create_unix_server": "opened a listening socket",
    "connect_accepted_socket": "took over a socket",
    "start_tls": "started TLS on a connection",
    "sendfile": "sent a file",
    "sock_recv": "read from a socket",
    "sock_recv_into": "read from a socket",
    "sock_recvfrom": "read from a socket",
    "sock_recvfrom_into": "read from a socket",
    "sock_sendall": "wrote to a socket",
    "sock_sendto": "wrote to a socket",
    "sock_connect": "connected a socket",
    "sock_accept": "accepted a connection",
    "sock_sendfile": "sent a file",
    "add_reader": "watched a file descriptor",
    "remove_reader": "watched a file descriptor",
    "add_writer": "watched a file descriptor",
    "remove_writer": "watched a file descriptor",
    "connect_read_pipe": "opened a pipe",
    "connect_write_pipe": "opened a pipe",
    "subprocess_exec": "started a process",
    "subprocess_shell": "started a process",
    "add_signal_handler": "installed a signal handler",
    "remove_signal_handler": "removed a signal handler",
    "set_task_factory": "replaced the task factory",
    "run_forever": "ran the event loop from within",
    "run_until_complete": "ran the event loop from within",
    "stop": "stopped the event loop",
    "close": "closed the event loop",
}


def _refused(what: str) -> Callable[..., NoReturn]:
    def refused(self: DeterministicLoop, *_args: object, **_options: object) -> NoReturn:
        raise self.refuse(what)

    return refused


for _name, _what in REFUSED.items():
    setattr(DeterministicLoop, _name, _refused(_what))
