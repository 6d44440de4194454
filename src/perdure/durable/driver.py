"""Runs durable code inside a restate handler: one journal notification at a time.

The driver is a task of the real event loop. It runs the deterministic loop until every task on it waits,
waits for the FIRST of all durable futures that somebody awaits, delivers exactly that one, and starts over.

Why the order is the same on replay: the SDK's state machine takes notifications in journal order, and stops
at the first that completes something that we wait for. Those that nobody awaited yet are passed over and
count as completed from then on; which ones they are depends on the same order, and of several completed
ones we deliver the one that was awaited first.
"""

from __future__ import annotations

import asyncio
import contextvars
import zlib
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, TypeVar, cast

import restate
from restate.context import ObjectContext, RestateDurableFuture
from restate.exceptions import SdkInternalBaseException, TerminalError
from restate.server_context import DisconnectedException
from restate.vm import VMException  # type: ignore[attr-defined]

from perdure.durable import blame
from perdure.durable.attempt import attempt_of
from perdure.durable.combinators import Combinators
from perdure.durable.future import DurableTimer
from perdure.durable.loop import DeterministicLoop
from perdure.durable.run_order import RunsInOrder
from perdure.durable.step_guard import StepGuard
from perdure.errors import DurableError

T = TypeVar("T")

CANCELLED = 409

_detached: set[asyncio.Task[object]] = set()  # asyncio itself holds tasks weakly


class Awaited(Protocol):
    """Something that one durable future of the SDK completes."""

    source: RestateDurableFuture[Any]

    def is_awaited(self) -> bool: ...

    def settle(self, outcome: asyncio.Future[Any]) -> None: ...


class Driver:
    """Drives one run of durable code on one `restate.Context`. Not reusable."""

    def __init__(self, context: restate.Context) -> None:
        self.context = cast(ObjectContext, context)
        # abstract for mypy only: the methods that it refuses are set after the class body
        self.loop = DeterministicLoop(  # type: ignore[abstract]
            self, seed=zlib.crc32(context.request().id.encode())
        )
        self.combinators = Combinators(self.loop)
        self._awaited: dict[Awaited, None] = {}  # in the order in which they were first awaited
        self._fetches: deque[tuple[Callable[[], Coroutine[Any, Any, Any]], asyncio.Future[Any]]] = deque()
        self._main: asyncio.Task[Any] | None = None
        self._outer: asyncio.AbstractEventLoop | None = None
        self._at_end: list[Callable[[], object]] | None = []
        self.attempt = attempt_of(context)

    # ---- for code on the loop

    def issue(self, command: Callable[[], T]) -> T:
        """Issue a command now, in the order in which user code asks for it.

        A failure of the state machine (a journal that does not match, a closed attempt) ends the attempt: no
        handler of the user may take it for an answer.
        """
        self.check_on_loop("used the durable context")
        try:
            return command()
        except VMException as error:
            self.loop.raise_doom(error)
            raise

    def check_on_loop(self, what: str) -> None:
        """Raise unless the calling code is on the loop, and may act."""
        self.loop.check_alive()
        if asyncio._get_running_loop() is not self.loop:
            raise self.loop.refuse(f"{what} while not")

    def await_outcome(self, awaited: Awaited) -> None:
        """Somebody waits for it now."""
        self.loop.check_alive()
        self._awaited[awaited] = None

    async def fetch(self, factory: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await a coroutine of the SDK that has no durable future to it (the id of a started invocation).

        It comes before any other delivery, which is the same on replay, and its answer is never far away.
        """
        self.loop.check_alive()
        answer = self.loop.create_future()
        self._fetches.append((factory, answer))
        return cast(T, await answer)

    def detach(self, cleanup: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Run a coroutine on the real loop that the run does not wait for."""
        self.loop.check_alive()
        assert self._outer is not None
        task = self._outer.create_task(cleanup())
        _detached.add(task)
        task.add_done_callback(_detached.discard)

    def at_end(self, callback: Callable[[], object]) -> None:
        """Call `callback` on the real loop when this attempt is over, however it ends; now if it is."""
        if self._at_end is None:
            callback()
        else:
            self._at_end.append(callback)

    def start_timer(self, handle: asyncio.TimerHandle, delay_ms: int) -> None:
        """A timer of the loop is a durable sleep."""
        sleep = self.issue(lambda: self.context.sleep(timedelta(milliseconds=delay_ms)))
        self.await_outcome(DurableTimer(self.loop.fire, sleep, handle))

    # ---- on the real loop

    async def drive(self, main: Callable[[], Coroutine[Any, Any, T]], context: contextvars.Context) -> T:
        """Run `main` to its end. Raises what it raises; TerminalError for misuse and for a cancelled
        invocation.
        """
        self._outer = asyncio.get_running_loop()
        handler: Any = self.context
        machine, handler.vm = handler.vm, StepGuard(RunsInOrder(handler.vm))
        try:
            await self._turn(lambda: self._start(main, context))
            assert self._main is not None
            await self._until_done(self._main)
            await self._finish()
            await self._empty_outbox()
        except DisconnectedException:
            raise
        except (Exception, SdkInternalBaseException):  # it suspends or fails: our words go out before its own
            await self._empty_outbox()
            raise
        finally:
            self.loop.abandon()
            handler.vm = machine
            callbacks, self._at_end = self._at_end or [], None
            for callback in callbacks:
                callback()
        if self._main.cancelled():
            raise TerminalError("cancelled", CANCELLED)
        return cast(T, self._main.result())

    def _start(self, main: Callable[[], Coroutine[Any, Any, Any]], context: contextvars.Context) -> None:
        self._main = self.loop.create_task(context.run(main), name="main", context=context)

    async def _until_done(self, task: asyncio.Task[Any]) -> None:
        while not task.done():
            if (outbox := self.attempt.opened()) is not None:
                await outbox.room()
            if self._fetches:
                await self._answer_fetch(*self._fetches.popleft())
            elif (first := await self._first()) is not None:
                outcome = await self._outcome(first.source)
                del self._awaited[first]
                await self._turn(partial(first.settle, outcome))

    async def _first(self) -> Awaited | None:
        """The next notification's receiver; None if it was a cancel signal, which is delivered here."""
        self._awaited = {awaited: None for awaited in self._awaited if awaited.is_awaited()}
        if not self._awaited:
            raise _terminal(blame.stuck(self.loop.tasks))
        by_source = {awaited.source: awaited for awaited in self._awaited}
        try:
            completed, _ = await restate.wait_completed(*by_source)
        except TerminalError as error:
            if error.status_code != CANCELLED:
                raise
            await self._turn(self._cancel_main)
            return None
        return by_source[completed[0]]

    async def _outcome(self, source: RestateDurableFuture[Any]) -> asyncio.Future[Any]:
        """Its value or failure. Suspension and a lost connection are neither; they end the attempt."""
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            outcome.set_result(await source)
        except DisconnectedException:
            raise
        except Exception as error:
            outcome.set_exception(error)
            outcome.exception()  # seen: nobody may ever ask for it
        return outcome

    async def _answer_fetch(
        self, factory: Callable[[], Coroutine[Any, Any, Any]], answer: asyncio.Future[Any]
    ) -> None:
        try:
            value = await factory()
        except TerminalError as error:
            if error.status_code != CANCELLED:
                raise
            await self._turn(self._cancel_main)
        else:
            await self._turn(lambda: None if answer.done() else answer.set_result(value))

    def _cancel_main(self) -> None:
        if self._main is not None:
            self._main.cancel()

    async def _finish(self) -> None:
        """As `asyncio.run` does: cancel what is left of the run, let it clean up, close its generators."""

        async def wind_up() -> None:
            left = [task for task in self.loop.tasks if task is not asyncio.current_task()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await self.loop.shutdown_asyncgens()

        last: list[asyncio.Task[None]] = []
        await self._turn(lambda: last.append(self.loop.create_task(wind_up(), name="wind up")))
        await self._until_done(last[0])

    async def _empty_outbox(self) -> None:
        if (outbox := self.attempt.opened()) is not None:
            await outbox.empty()

    async def _turn(self, wake: Callable[[], object]) -> None:
        """Run the deterministic loop until it is idle, from a callback: see `run_until_idle`."""
        outer = asyncio.get_running_loop()
        idle: asyncio.Future[None] = outer.create_future()

        def enter() -> None:
            if idle.done():  # this attempt was cancelled meanwhile
                return
            try:
                self.loop.run_until_idle(wake)
            except BaseException as error:
                idle.set_exception(error)
            else:
                idle.set_result(None)

        outer.call_soon(enter)
        await idle
        if self.loop.doom is not None:
            raise _terminal(self.loop.doom) if isinstance(self.loop.doom, DurableError) else self.loop.doom


def _terminal(error: DurableError) -> TerminalError:
    """Misuse stays misuse however often it is retried, so the invocation fails with the error's own words."""
    terminal = TerminalError(f"{type(error).__name__}: {error}", 500)
    terminal.__cause__ = error
    return terminal
