"""Bugs that an engine could have, put into ours: each must be found by simulation.

Each is a function of pytest's monkeypatch; `BUGS` has them by name, with what the simulator should say.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from perdure.engine.core import machine
from perdure.engine.core.lifecycle import admission, progress, suspend
from perdure.engine.core.model import TimerKind
from perdure.engine.runtime.engine import Engine
from perdure.engine.runtime.invoker import Attempt
from perdure.engine.runtime.processor import Processor
from perdure.engine.storage.invocations import Invocations
from perdure.engine.storage.timers import Timers
from perdure.protocol.messages import is_notification
from perdure.protocol.session import AttemptSession


def acts_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    def apply(self: Processor, batch: list) -> None:
        def work() -> None:
            for event in batch:
                for action in machine.apply(event, self._store, self._clock_ms()):
                    self._perform(action)

        self._store.transact(work)

    patch.setattr(Processor, "_apply", apply)


def drops_a_timer_row(patch: pytest.MonkeyPatch) -> None:
    add = Timers.add

    def add_most(self: Timers, timer) -> None:
        if timer.kind is not TimerKind.SLEEP or timer.completion_id % 3:
            add(self, timer)

    patch.setattr(Timers, "add", add_most)


def unlocks_an_object_while_its_holder_is_suspended(patch: pytest.MonkeyPatch) -> None:
    def suspend_and_release(invocation, awaiting_on, tx, now_ms):
        actions = suspend.apply(invocation, awaiting_on, tx, now_ms)
        return actions + admission.release(invocation, tx, now_ms)

    class Suspend:
        apply = staticmethod(suspend_and_release)

    patch.setattr(progress, "suspend", Suspend)


def replays_notifications_in_another_order(patch: pytest.MonkeyPatch) -> None:
    start = AttemptSession.start

    def start_swapped(self: AttemptSession, message, journal) -> bytes:
        if len(journal) > 2 and all(is_notification(kind) for kind, _ in journal[-2:]):
            journal[-2:] = reversed(journal[-2:])
        return start(self, message, journal)

    patch.setattr(AttemptSession, "start", start_swapped)


def fires_timers_early(patch: pytest.MonkeyPatch) -> None:
    due = Timers.due
    patch.setattr(Timers, "due", lambda self, now_ms, *more: due(self, now_ms + 10, *more))


def forgets_what_ran_when_it_starts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Engine, "_recover", lambda self, deployment: 0)


def caches_rows_over_a_rollback(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Invocations, "forget", lambda self: None)


def sends_an_attempt_what_it_was_opened_with(patch: pytest.MonkeyPatch) -> None:
    begin = Attempt.begin

    def begin_anew(self: Attempt, *arguments) -> None:
        self.replayed = 0
        begin(self, *arguments)

    patch.setattr(Attempt, "begin", begin_anew)


BUGS: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    acts_before_the_commit: "is not on disk|not in its journal|too early|one that is not",
    drops_a_timer_row: "nothing can happen any more",
    unlocks_an_object_while_its_holder_is_suspended: "before .* has completed",
    replays_notifications_in_another_order: "heard .* before",
    fires_timers_early: "early|before its time",
    forgets_what_ran_when_it_starts: "nothing can happen any more",
    sends_an_attempt_what_it_was_opened_with: "hears .* twice",
    caches_rows_over_a_rollback: "is not on disk|the store has another|journaled twice|no rule could apply",
}
