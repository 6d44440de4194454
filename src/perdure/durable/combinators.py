"""`restate.gather`, `select`, `as_completed` and `wait_completed` on the deterministic loop.

They take no future but the SDK's own, ask its `context` to wait for a combination of `handle`s, and ask the
`vm` of that context which of them are completed. Here one object plays both, and waits as code on the loop
does: all futures of it are completed by the driver, one notification at a time.
"""

from __future__ import annotations

import asyncio
import itertools
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

from restate.server_context import ServerDurableFuture
from restate.vm import FirstCompletedUnresolvedFuture, UnresolvedFuture

if TYPE_CHECKING:
    from perdure.durable.loop import DeterministicLoop

T = TypeVar("T")


class CombinableFuture(ServerDurableFuture[T]):
    """A future of the loop that the SDK's combinators take for one of their own."""

    def __init__(self, combinators: Combinators) -> None:
        # not the constructor of the SDK's class, which ties a future to the real loop
        self.context: Any = combinators
        self.handle = combinators.register(self)

    def is_completed(self) -> bool:
        """Whether an await would return at once."""
        raise NotImplementedError

    def wake(self, waiter: asyncio.Future[Any]) -> None:
        """Complete `waiter` when this future is completed."""
        raise NotImplementedError


class Combinators:
    """The part of the SDK's context, and of its state machine, that its combinators use."""

    def __init__(self, loop: DeterministicLoop) -> None:
        self._loop = loop
        self._numbers = itertools.count()
        self._futures: weakref.WeakValueDictionary[int, CombinableFuture[Any]] = weakref.WeakValueDictionary()

    def register(self, future: CombinableFuture[Any]) -> int:
        """The future's handle."""
        handle = next(self._numbers)
        self._futures[handle] = future
        return handle

    @property
    def vm(self) -> Combinators:
        return self

    def is_completed(self, handle: int) -> bool:
        return self._futures[handle].is_completed()

    async def create_poll_or_cancel_coroutine(self, combination: UnresolvedFuture) -> None:
        """Wait for the first, or for all, of a flat list of handles."""
        futures = [self._futures[child.handle] for child in combination.children]  # type: ignore[union-attr]
        if isinstance(combination, FirstCompletedUnresolvedFuture):
            first = self._loop.create_future()
            for future in futures:
                future.wake(first)
            await first
            return
        for future in futures:
            while not future.is_completed():
                done = self._loop.create_future()
                future.wake(done)
                await done
