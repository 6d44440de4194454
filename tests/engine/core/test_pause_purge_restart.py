"""Pause, purge, and restart as new."""

from __future__ import annotations

from collections.abc import Callable

import handler_frames as says
import pytest
from rules_script import NOW_MS, Script, invocation_id

from perdure.engine.core.actions import AbortAttempt, Reply, StartAttempt
from perdure.engine.core.inputs import Cancel, Kill, Pause, Purge, Restart, Resume
from perdure.engine.core.model import CANCELLED, KILLED, Status, Success
from perdure.protocol.proto import service_protocol_pb2 as pb

NEW = invocation_id(99)


def running(s: Script) -> str:
    return s.invoke(parameter=b"in")


def suspended(s: Script) -> str:
    a = running(s)
    s.says(a, says.sleep(1, NOW_MS + 1000), says.suspend(1, signals=(1,)))
    return a


def backing_off(s: Script) -> str:
    a = running(s)
    s.says(a, says.error())
    return a


def paused(s: Script) -> str:
    a = running(s)
    s.says(a, says.error(behavior=pb.PAUSE))
    return a


def completed(s: Script) -> str:
    a = running(s)
    s.says(a, says.run(1, "work"), says.propose(1, b"worked"), says.output(b"done"), says.end())
    return a


def refused(s: Script, event: Pause | Purge | Restart) -> int:
    """The HTTP status with which the input was refused; nothing may have changed."""
    before = s.store.invocation(event.id)
    [reply] = s.apply(event)
    assert isinstance(reply, Reply)
    assert reply.error is not None
    assert s.store.invocation(event.id) == before
    return reply.error[0]


Bring = Callable[[Script], str]


# ---- pause


@pytest.mark.parametrize("bring", [running, suspended, backing_off])
def test_a_paused_one_does_nothing_until_it_is_resumed(bring: Bring) -> None:
    s = Script()
    a = bring(s)
    attempts = s[a].attempt
    assert s.apply(Pause(a, "asker")) == [AbortAttempt(a), Reply("asker")]
    assert s.status(a) is Status.PAUSED
    s.passes(3_600_000)
    assert (s.status(a), s[a].attempt) == (Status.PAUSED, attempts)
    s.apply(Resume(a))
    assert s.started() == [(a, attempts + 1)]


def test_what_completes_while_it_is_paused_is_not_lost() -> None:
    s = Script()
    a = suspended(s)
    s.apply(Pause(a))
    s.passes(1000)
    assert s.journal(a)[-1] == "Sleep 1"


def test_the_attempt_of_a_paused_one_has_no_say() -> None:
    s = Script()
    a = running(s)
    s.apply(Pause(a))
    assert s.says(a, says.output(b"x"), says.end()) == []
    assert s.status(a) is Status.PAUSED


def test_pausing_twice_is_pausing_once() -> None:
    s = Script()
    a = running(s)
    s.apply(Pause(a))
    assert s.apply(Pause(a, "asker")) == [Reply("asker", already=True)]


def test_a_paused_one_can_be_cancelled_and_killed() -> None:
    s = Script()
    a, b = running(s), running(s)
    for one in (a, b):
        s.apply(Pause(one))
    s.apply(Cancel(a))
    assert s.journal(a)[-1] == "Signal 1"
    assert s.started() == [(a, 2)]
    s.apply(Kill(b))
    assert s.result(b) == KILLED


def test_only_what_runs_can_be_paused() -> None:
    s = Script()
    scheduled = s.invoke(execute_at_ms=NOW_MS + 1000)
    assert refused(s, Pause(completed(s), "asker")) == 409
    assert refused(s, Pause(scheduled, "asker")) == 409
    assert refused(s, Pause(NEW, "asker")) == 404


# ---- purge


def test_a_purged_one_is_forgotten() -> None:
    s = Script()
    a = completed(s)
    assert s.apply(Purge(a, request="asker")) == [Reply("asker")]
    assert s.store.invocation(a) is None
    assert (s.journal(a), s.timers(a)) == ([], [])


def test_of_a_purged_journal_the_result_stays() -> None:
    s = Script()
    a = completed(s)
    s.apply(Purge(a, journal_only=True))
    assert s.journal(a) == []
    assert s.result(a) == Success(b"done")
    assert len(s.timers(a)) == 1, "it is still purged when its retention is over"


@pytest.mark.parametrize("journal_only", [False, True])
@pytest.mark.parametrize("bring", [running, suspended, backing_off, paused])
def test_only_what_has_completed_can_be_purged(bring: Bring, journal_only: bool) -> None:
    s = Script()
    a = bring(s)
    journal = s.journal(a)
    assert refused(s, Purge(a, journal_only, "asker")) == 409
    assert s.journal(a) == journal
    assert refused(s, Purge(NEW, journal_only, "asker")) == 404


# ---- restart as new


def test_a_restarted_one_begins_with_the_same_input() -> None:
    s = Script()
    a = completed(s)
    assert s.apply(Restart(a, NEW, request="asker")) == [
        StartAttempt(NEW, 1),
        Reply("asker", created=True),
    ]
    assert s.journal(NEW) == ["Input"]
    assert s.store.journal(NEW)[0].payload == s.store.journal(a)[0].payload
    assert (s[NEW].target, s[NEW].restarted_from, s[NEW].seed_id) == (s[a].target, a, None)
    assert s.result(a) == Success(b"done"), "the old one stays as it was"


def test_a_restarted_one_keeps_its_scope_and_limit_key() -> None:
    s = Script()
    caller = s.invoke()
    s.says(caller, says.send(1, "Svc/other", scope="tenant", limit_key="k"))
    a = s.journal(caller)[-1].rpartition(" = ")[2]
    s.says(a, says.output(b"done"), says.end())
    s.apply(Restart(a, NEW))
    assert (s[NEW].scope, s[NEW].limit_key) == ("tenant", "k")


def test_a_cancelled_one_can_be_restarted() -> None:
    s = Script()
    a = s.invoke(execute_at_ms=NOW_MS + 1000)
    s.apply(Cancel(a))
    assert s.result(a) == CANCELLED
    s.apply(Restart(a, NEW))
    assert s.started() == [(NEW, 1)]


def test_a_prefix_of_the_journal_is_kept_with_its_completions() -> None:
    """A sleep and a run overlap: the run's completion stands behind the index that was asked for."""
    s = Script()
    a = running(s)
    s.says(a, says.run(1, "first"), says.sleep(2, NOW_MS + 10), says.run(3, "later"))
    s.passes(10)
    s.says(a, says.propose(3, b"3"), says.propose(1, b"1"), says.output(b"done"), says.end())
    assert s.journal(a) == [
        "Input", "Run first", "Sleep", "Run later", "Sleep 2", "Run 3 = 3", "Run 1 = 1", "Output",
    ]  # fmt: skip

    s.apply(Restart(a, NEW, through_index=2))
    assert s.journal(NEW) == ["Input", "Run first", "Sleep", "Sleep 2", "Run 1 = 1"]
    assert s[NEW].seed_id == a, "its random numbers are those with which the prefix was made"

    s.says(NEW, says.output(b"again"), says.end())
    s.apply(Restart(NEW, invocation_id(100), through_index=1))
    assert s[invocation_id(100)].seed_id == a
    assert s[invocation_id(100)].restarted_from == NEW


def test_a_prefix_that_waits_for_something_cannot_be_kept() -> None:
    s = Script()
    a = running(s)
    s.says(a, says.sleep(1, NOW_MS + 10_000), says.output(b"done"), says.end())
    assert refused(s, Restart(a, NEW, through_index=1, request="asker")) == 400
    assert s.journal(NEW) == []


def test_what_cannot_be_restarted() -> None:
    s = Script()
    done, scheduled = completed(s), s.invoke(execute_at_ms=NOW_MS + 1000)
    assert refused(s, Restart(running(s), NEW, request="asker")) == 409
    assert refused(s, Restart(paused(s), NEW, request="asker")) == 409
    assert refused(s, Restart(scheduled, NEW, request="asker")) == 425
    assert refused(s, Restart(invocation_id(77), NEW, request="asker")) == 404
    assert refused(s, Restart(done, NEW, through_index=5, request="asker")) == 400
    s.apply(Purge(done, journal_only=True))
    assert refused(s, Restart(done, NEW, request="asker")) == 410


def test_a_workflow_is_not_restarted() -> None:
    s = Script(ty="WORKFLOW", handlers=[{"name": "run", "ty": "WORKFLOW"}])
    assert refused(s, Restart(completed(s), NEW, request="asker")) == 422
