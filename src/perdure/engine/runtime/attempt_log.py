"""What became of attempts and invocations, told to those who watch once it is on disk: metrics, spans, logs.

An attempt that this process cut because it shuts down, or that ended with its process, is told by the next
process, when it recovers the invocation: so each attempt is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from perdure.engine.core.actions import AbortAttempt, Action, Complete, StartAttempt
from perdure.engine.core.inputs import Input, Progress
from perdure.engine.core.model import KILLED, Failure, Invocation, Status
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.protocol.session import AttemptFailed, Ended, Suspended

_ENDS = (Suspended, AttemptFailed, Ended)


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # and so did the invocation
    SUSPENDED = "suspended"
    RETRIED = "retried"  # or paused: it failed, and the invocation did not
    CUT = "cut"  # from outside: killed, paused, resumed
    LOST = "lost"  # with its process


class AttemptOver(NamedTuple):
    """`invocation` as it was when the attempt began; `now` as it is, None if it is purged."""

    invocation: Invocation
    now: Invocation | None
    outcome: Outcome
    ended_at_ms: int


class Watcher(Protocol):
    """Who watches. It must not raise, and must not wait."""

    def attempt_over(self, over: AttemptOver) -> None: ...

    def completed(self, invocation: Invocation) -> None: ...


class AttemptLog:
    """The attempts under way, as the store has them."""

    def __init__(self, store: SqliteStore, clock_ms: Callable[[], int], watchers: Sequence[Watcher]) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._watchers = watchers
        self.under_way: dict[str, Invocation] = {}  # by id, as they were when their attempt began
        self._recovered: set[str] = set()  # until their next attempt: two deployments may have their service

    def committed(self, batch: list[Input], actions: list[Action]) -> None:
        """Tell what a transaction has ended."""
        for event in batch:
            if type(event) is Progress and isinstance(event.events[-1], _ENDS):
                self._over(event.id, event.attempt)
        for action in actions:
            if isinstance(action, StartAttempt):
                self._over(action.id)
                self._began(action)
            elif isinstance(action, AbortAttempt):
                self._over(action.id)
            elif isinstance(action, Complete):
                self._over(action.id)
                if (invocation := self._store.invocation(action.id)) is not None:
                    for watcher in self._watchers:
                        watcher.completed(invocation)

    def recovering(self, invocation_id: str) -> None:
        """The store takes an attempt for running that this process does not have: it ended with its own."""
        invocation = self._store.invocation(invocation_id)
        if (
            invocation is None
            or invocation.status is not Status.RUNNING
            or invocation_id in self.under_way
            or invocation_id in self._recovered
        ):
            return
        self._recovered.add(invocation_id)
        began_at_ms = invocation.last_start_at_ms or invocation.created_at_ms
        last_heard_at_ms = self._store.journals.last_appended_at_ms(invocation_id) or began_at_ms
        ended_at_ms = max(began_at_ms, last_heard_at_ms)
        self._tell(AttemptOver(invocation, invocation, Outcome.LOST, ended_at_ms))

    def _began(self, action: StartAttempt) -> None:
        self._recovered.discard(action.id)
        invocation = self._store.invocation(action.id)
        if invocation is not None and invocation.attempt == action.attempt:
            self.under_way[action.id] = invocation

    def _over(self, invocation_id: str, attempt: int | None = None) -> None:
        began = self.under_way.get(invocation_id)
        if began is None or attempt not in (None, began.attempt):
            return
        now = self._store.invocation(invocation_id)
        if now is not None and now.status is Status.RUNNING and now.attempt == began.attempt:
            return  # it has only just begun
        del self.under_way[invocation_id]
        self._tell(AttemptOver(began, now, _outcome(began, now), self._clock_ms()))

    def _tell(self, over: AttemptOver) -> None:
        for watcher in self._watchers:
            watcher.attempt_over(over)


def _outcome(began: Invocation, now: Invocation | None) -> Outcome:
    if now is None or now.result == KILLED:
        return Outcome.CUT
    if now.result is not None:
        return Outcome.FAILED if isinstance(now.result, Failure) else Outcome.SUCCEEDED
    if (now.retry_count, now.failed_at_length) != (began.retry_count, began.failed_at_length):
        return Outcome.RETRIED
    # An attempt follows at once where what it waits for came while it was saying so.
    return Outcome.CUT if now.status is Status.PAUSED else Outcome.SUSPENDED
