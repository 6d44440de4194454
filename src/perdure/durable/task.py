"""Tasks and futures of the deterministic loop.

They hash by sequence number: `asyncio.wait` takes sets, sets iterate in hash order, and the hash of a plain
task is its address, which no replay repeats. The number is given in `__new__`, because `Task.__init__`
already puts the task into a set.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Generator
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from perdure.errors import AttemptEnded

if TYPE_CHECKING:
    from perdure.durable.loop import DeterministicLoop

T = TypeVar("T")

# How often a coroutine that answers the end with another await is told again before it is given up.
_THROWS_MAX = 100


class SequencedFuture(asyncio.Future[Any]):
    """A future with a hash that replays repeat."""

    _sequence: int

    def __new__(cls, *, loop: DeterministicLoop) -> SequencedFuture:
        self = super().__new__(cls)
        self._sequence = loop.next_hash()
        return self

    def __hash__(self) -> int:
        return self._sequence


class Watched(Coroutine[Any, Any, Any]):
    """A coroutine whose task can tell what it awaits, and that may await nothing of another loop.

    Awaiting a foreign future would make asyncio throw a RuntimeError into user code, where an `except
    Exception` turns it into text for a model. Here it dooms the loop instead, and the task stays where it
    is.
    """

    def __init__(self, coroutine: Any, loop: DeterministicLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self.awaits: asyncio.Future[Any] | None = None
        self.task: DurableTask[Any] | None = None
        self.__name__ = getattr(coroutine, "__name__", type(coroutine).__name__)
        self.__qualname__ = getattr(coroutine, "__qualname__", self.__name__)

    def send(self, value: Any) -> Any:
        self.awaits = None
        try:
            return self._check(self._coroutine.send(value))
        except BaseException:
            self._end()
            raise

    def throw(self, *error: Any) -> Any:
        self.awaits = None
        try:
            return self._check(self._coroutine.throw(*error))
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        self._coroutine.close()

    def _check(self, awaited: Any) -> Any:
        if not asyncio.isfuture(awaited):
            return awaited
        if awaited.get_loop() is not self._loop:
            self._loop.raise_doom(_foreign(self, awaited))
            parked = self._loop.create_future()
            parked._asyncio_future_blocking = True
            return parked
        self.awaits = awaited
        return awaited

    def _end(self) -> None:
        if self.task is not None:
            self._loop.tasks.pop(self.task, None)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()  # type: ignore[no-any-return]

    # What asyncio's repr and the inspect module read of a coroutine.

    @property
    def cr_code(self) -> CodeType | None:
        return getattr(self._coroutine, "cr_code", None)

    @property
    def cr_frame(self) -> FrameType | None:
        return getattr(self._coroutine, "cr_frame", None)

    @property
    def cr_running(self) -> bool:
        return bool(getattr(self._coroutine, "cr_running", False))

    @property
    def cr_await(self) -> Any:
        return getattr(self._coroutine, "cr_await", None)

    @property
    def coroutine(self) -> Any:
        """The coroutine that the user wrote."""
        return self._coroutine


class DurableTask(asyncio.Task[T]):
    """A task of the deterministic loop, which holds it until it is done: no collector decides what runs."""

    _sequence: int
    watched: Watched
    _contextvars: contextvars.Context

    def __new__(
        cls, watched: Watched, *, loop: DeterministicLoop, context: contextvars.Context, **_options: Any
    ) -> DurableTask[T]:
        self = super().__new__(cls)
        self._sequence = loop.next_hash()
        self.watched = watched
        self._contextvars = context
        watched.task = self
        loop.tasks[self] = None
        return self

    def __hash__(self) -> int:
        return self._sequence

    def get_coro(self) -> Any:
        return self.watched.coroutine

    def end(self) -> None:
        """End the coroutine where it stands, in the contextvars of its task, and say nothing to the log.

        Not by `close()`: an await in a `finally` would end that with a RuntimeError that unwinds the outer
        coroutines and leaves the innermost one suspended, for the collector to run when it likes.
        """
        self._log_destroy_pending = False
        for _ in range(_THROWS_MAX):
            try:
                self._contextvars.run(self.watched.throw, AttemptEnded())
            except BaseException:
                return  # it came to its end; if a `finally` of the user raised, nobody is left to tell


def _foreign(watched: Watched, awaited: asyncio.Future[Any]) -> BaseException:
    from perdure.durable.blame import foreign_await

    return foreign_await(watched.coroutine, awaited)
