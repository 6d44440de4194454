"""Awaitables of the deterministic loop that a journal notification completes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from restate.context import RestateDurableCallFuture, RestateDurableFuture, SendHandle

from perdure.durable.combinators import CombinableFuture

if TYPE_CHECKING:
    from perdure.durable.driver import Driver

T = TypeVar("T")


class DurableFuture(CombinableFuture[T]):
    """The result of a command that has been issued. May be awaited often, by many tasks, and again after a
    cancelled await. The driver waits for it only while somebody awaits it."""

    _driver: Driver

    def __init__(self, driver: Driver, source: RestateDurableFuture[T]) -> None:
        super().__init__(driver.combinators)
        self.source = source
        self._driver = driver
        self._outcome: asyncio.Future[T] | None = None
        self._waiters: list[asyncio.Future[Any]] = []

    def __await__(self) -> Generator[Any, Any, T]:
        while self._outcome is None:
            waiter = self._driver.loop.create_future()
            self.wake(waiter)
            yield from waiter
        return self._outcome.result()

    def is_completed(self) -> bool:
        return self._outcome is not None

    def wake(self, waiter: asyncio.Future[Any]) -> None:
        self._waiters.append(waiter)
        self._driver.await_outcome(self)

    def is_awaited(self) -> bool:
        self._waiters = [waiter for waiter in self._waiters if not waiter.done()]
        return bool(self._waiters)

    def settle(self, outcome: asyncio.Future[T]) -> None:
        """Called on the loop, once: wake everybody who waits, first come, first served."""
        self._outcome = outcome
        for waiter in self._waiters:
            _complete(waiter)
        self._waiters.clear()


def _complete(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class DurableTimer:
    """A timer of the loop, as the driver waits for it."""

    def __init__(
        self, loop_fire: Callable[[asyncio.TimerHandle], None], source: Any, handle: asyncio.TimerHandle
    ):
        self.source = source
        self._fire = loop_fire
        self._handle = handle

    def is_awaited(self) -> bool:
        return not self._handle.cancelled()

    def settle(self, _outcome: asyncio.Future[Any]) -> None:
        self._fire(self._handle)


class TaskFuture(CombinableFuture[T]):
    """What `ctx.run` returns: it stands for a task of the loop that makes the tries of one step."""

    def __init__(self, driver: Driver, task: asyncio.Task[T]) -> None:
        super().__init__(driver.combinators)
        self._task = task
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # it may never be awaited

    def __await__(self) -> Generator[Any, Any, T]:
        return asyncio.shield(self._task).__await__()

    def is_completed(self) -> bool:
        return self._task.done()

    def wake(self, waiter: asyncio.Future[Any]) -> None:
        self._task.add_done_callback(lambda _: _complete(waiter))


class InvocationReference(SendHandle, Generic[T]):
    """The part that calls and sends share: the id of the invocation that they started."""

    _driver: Driver
    _invocation_id: Callable[[], Coroutine[Any, Any, str]]

    async def invocation_id(self) -> str:
        return await self._driver.fetch(self._invocation_id)

    async def cancel_invocation(self) -> None:
        self._driver.context.cancel_invocation(await self.invocation_id())


class DurableSend(InvocationReference[Any]):
    """What the `send` methods return."""

    def __init__(self, driver: Driver, source: SendHandle) -> None:
        self._driver = driver
        self._invocation_id = source.invocation_id


class DurableCall(InvocationReference[T], DurableFuture[T], RestateDurableCallFuture[T]):
    """What the `call` methods return."""

    def __init__(self, driver: Driver, source: RestateDurableCallFuture[T]) -> None:
        DurableFuture.__init__(self, driver, source)
        self._invocation_id = source.invocation_id
