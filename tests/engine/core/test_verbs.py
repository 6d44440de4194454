"""Cancel, kill, resume and recover, in each status."""

from __future__ import annotations

from collections.abc import Callable

import handler_frames as says
import pytest
from rules_script import NOW_MS, Script, invocation_id

from perdure.engine.core.actions import Complete, Reply, StartAttempt
from perdure.engine.core.inputs import Cancel, Kill, Recover, Resume
from perdure.engine.core.model import CANCELLED, KILLED, Failure, Status, TimerKind
from perdure.protocol import ids
from perdure.protocol.proto import service_protocol_pb2 as pb


def scheduled(s: Script) -> str:
    return s.invoke(execute_at_ms=NOW_MS + 1000)


def running(s: Script) -> str:
    return s.invoke()


def suspended(s: Script) -> str:
    a = s.invoke()
    s.says(a, says.sleep(1, NOW_MS + 1000), says.suspend(1, signals=(1,)))
    return a


def backing_off(s: Script) -> str:
    a = s.invoke()
    s.says(a, says.error())
    return a


def paused(s: Script) -> str:
    a = s.invoke()
    s.says(a, says.error(behavior=pb.PAUSE))
    return a


def completed(s: Script) -> str:
    a = s.invoke()
    s.says(a, says.output(b"done"), says.end())
    return a


Bring = Callable[[Script], str]
ALIVE: list[Bring] = [scheduled, running, suspended, backing_off, paused]


@pytest.mark.parametrize("bring", [*ALIVE, completed])
def test_each_status_is_what_its_name_says(bring: Bring) -> None:
    s = Script()
    assert s.status(bring(s)).replace("-", "_") == bring.__name__


# ---- cancel


def test_cancel_is_delivered_to_one_that_runs() -> None:
    s = Script()
    a = running(s)
    s.apply(Cancel(a, request="asker"))
    assert s.heard(a) == ["Signal 1"]
    assert s.replies() == [Reply("asker")]
    assert s.status(a) is Status.RUNNING, "its code decides how it ends"


@pytest.mark.parametrize("bring", [suspended, backing_off, paused])
def test_cancel_wakes_one_that_does_not_run(bring: Bring) -> None:
    s = Script()
    a = bring(s)
    s.apply(Cancel(a))
    assert s.started() == [(a, 2)]
    assert s.journal(a)[-1] == "Signal 1"


def test_cancel_ends_one_that_has_not_started() -> None:
    s = Script()
    a = scheduled(s)
    s.apply(Cancel(a, request="asker"))
    assert s.completed() == {a: CANCELLED}
    assert s.replies() == [Reply("asker", already=True)]
    assert [timer.kind for timer in s.timers(a)] == [TimerKind.PURGE]
    assert s.journal(a) == ["Input"]


def test_cancel_twice_is_cancel_once() -> None:
    s = Script()
    a = running(s)
    s.apply(Cancel(a))
    assert s.apply(Cancel(a, request="asker")) == [Reply("asker")]
    assert s.journal(a) == ["Input", "Signal 1"]


def test_a_cancelled_one_that_failed_since_is_woken_again() -> None:
    s = Script()
    a = running(s)
    s.apply(Cancel(a))
    s.says(a, says.error(behavior=pb.PAUSE))
    s.apply(Cancel(a))
    assert s.started() == [(a, 2)]
    assert s.journal(a) == ["Input", "Signal 1"]


def test_handlers_cancel_by_signal_1() -> None:
    s = Script()
    a, b, c = scheduled(s), paused(s), running(s)
    s.says(c, *(says.signal(target, idx=1, void=pb.Void()) for target in (a, b, c)))
    assert s.result(a) == CANCELLED
    assert s.started() == [(b, 2)]
    assert s.heard(c) == ["Signal 1"]


# ---- kill


@pytest.mark.parametrize("bring", ALIVE)
def test_kill_ends_it_in_any_status_and_cuts_its_attempt(bring: Bring) -> None:
    s = Script()
    a = bring(s)
    s.apply(Kill(a, request="asker"))
    assert s.completed() == {a: KILLED}
    assert s.aborted() == [a]
    assert s.replies() == [Reply("asker")]
    assert [timer.kind for timer in s.timers(a)] == [TimerKind.PURGE]


def test_a_killed_one_has_no_say() -> None:
    s = Script()
    a = running(s)
    s.apply(Kill(a))
    assert s.says(a, says.sleep(1, NOW_MS), says.output(b"x"), says.end()) == []
    assert (s.result(a), s.journal(a)) == (KILLED, ["Input"])


def family(s: Script) -> tuple[str, str, str, str, str]:
    """An outside caller → a → (b → c, and d as a send)."""

    def called_by(caller: str) -> str:
        [waiter] = s.store.awaited_by(caller)
        return waiter.invocation_id

    outside = s.invoke()
    s.says(outside, says.call(1, 2, "Svc/run"), says.suspend(2))
    a = called_by(outside)
    s.says(a, says.send(1, "Svc/other"), says.call(2, 3, "Svc/run"))
    [d] = [e.rpartition(" = ")[2] for e in s.journal(a) if e.startswith("CallInvocationId 1")]
    b = called_by(a)
    s.says(b, says.call(1, 2, "Svc/other"), says.suspend(2))
    return outside, a, b, called_by(b), d


def test_kill_reaches_callees_of_callees_and_tells_the_caller_outside() -> None:
    s = Script()
    outside, a, b, c, d = family(s)
    s.apply(Kill(a))

    assert s.completed() == {a: KILLED, b: KILLED, c: KILLED}
    assert sorted(s.aborted()) == sorted([a, b, c])
    assert s.started() == [(outside, 2)], "nobody but the caller outside is woken"
    assert s.journal(outside)[-1] == "Call 2 ! 409 killed"
    assert s.journal(b)[-1].startswith("CallInvocationId"), "a killed caller hears of no callee"
    assert s.status(d) is Status.RUNNING, "a send has its own life"


def test_kill_of_a_callee_leaves_its_caller_alive() -> None:
    s = Script()
    _, a, b, c, _ = family(s)
    s.apply(Kill(c))
    assert s.completed() == {c: KILLED}
    assert s.started() == [(b, 2)]
    assert s.status(a) is Status.RUNNING


def test_kill_does_not_reach_what_is_only_attached_to() -> None:
    s = Script()
    a, b = s.invoke(), s.invoke()
    s.says(a, says.attach(1, invocation_id=b))
    s.apply(Kill(a))
    assert s.status(b) is Status.RUNNING
    s.says(b, says.output(b"done"), says.end())
    assert s.journal(a) == ["Input", "AttachInvocation"]


def test_kill_ends_a_circle_of_callers() -> None:
    """Two that call each other by idempotency keys wait for ever; kill must not."""
    s = Script()
    a = s.invoke(id=ids.idempotent_invocation_id("Svc", "run", "", "a"), idempotency_key="a")
    s.says(a, says.call(1, 2, "Svc/other", idempotency_key="b"))
    b = ids.idempotent_invocation_id("Svc", "other", "", "b")
    s.says(b, says.call(1, 2, "Svc/run", idempotency_key="a"))
    s.apply(Kill(a))
    assert s.completed() == {a: KILLED, b: KILLED}


def test_kill_ends_a_callee_that_was_called_twice_once() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, *(says.call(n, n + 1, "Svc/other", idempotency_key="k") for n in (1, 3)))
    s.apply(Kill(a))
    b = ids.idempotent_invocation_id("Svc", "other", "", "k")
    assert [action.id for action in s.actions if isinstance(action, Complete)] == [a, b]


# ---- resume and recover


@pytest.mark.parametrize("bring", [suspended, backing_off, paused])
def test_resume_starts_the_next_attempt_now(bring: Bring) -> None:
    s = Script()
    a = bring(s)
    assert s.apply(Resume(a, request="asker")) == [StartAttempt(a, 2), Reply("asker")]
    assert (s.status(a), s[a].retry_count) == (Status.RUNNING, 0)


def test_resume_leaves_alone_what_goes_on_by_itself() -> None:
    s = Script()
    a = running(s)
    before = s[a]
    assert s.apply(Resume(a, request="asker")) == [Reply("asker")]
    assert s[a] == before


def test_what_has_not_started_cannot_be_resumed() -> None:
    s = Script()
    a = scheduled(s)
    [reply] = s.apply(Resume(a, request="asker"))
    assert isinstance(reply, Reply)
    assert reply.error is not None
    assert reply.error[0] == 425
    assert s.status(a) is Status.SCHEDULED


@pytest.mark.parametrize("bring", [suspended, backing_off, paused])
def test_resume_may_move_it_to_another_deployment(bring: Bring) -> None:
    s = Script()
    a = bring(s)
    s.apply(Resume(a, deployment_id="dp_other"))
    assert (s.status(a), s[a].deployment_id) == (Status.RUNNING, "dp_other")


def test_what_runs_is_not_moved_to_another_deployment() -> None:
    s = Script()
    a = running(s)
    before = s[a]
    [reply] = s.apply(Resume(a, request="asker", deployment_id="dp_other"))
    assert isinstance(reply, Reply)
    assert reply.error == (409, f"invocation '{a}' is running: pause it before you move it to a deployment")
    assert s[a] == before


def test_a_resumed_one_is_given_all_its_attempts_again() -> None:
    s = Script(retryPolicyMaxAttempts=2, retryPolicyInitialInterval=10)
    a = s.invoke()
    s.says(a, says.error())
    s.passes(10)
    s.says(a, says.error())
    assert s.status(a) is Status.PAUSED
    s.apply(Resume(a))
    s.says(a, says.error())
    assert s.status(a) is Status.BACKING_OFF


@pytest.mark.parametrize("bring", [running, backing_off])
def test_recover_starts_what_ran_and_cuts_a_back_off_short(bring: Bring) -> None:
    s = Script()
    a = bring(s)
    assert s.apply(Recover(a)) == [StartAttempt(a, 2)]


@pytest.mark.parametrize("bring", [scheduled, suspended, paused, completed])
def test_recover_leaves_alone_what_a_timer_a_notification_or_a_person_wakes(bring: Bring) -> None:
    s = Script()
    a = bring(s)
    before = s[a]
    assert s.apply(Recover(a)) == []
    assert s[a] == before


def test_recover_of_one_that_is_gone() -> None:
    assert Script().apply(Recover(invocation_id(9))) == []


def test_an_older_attempt_has_no_say() -> None:
    s = Script()
    a = running(s)
    s.says(a, says.run(1))
    s.apply(Recover(a))
    before, journal = s[a], s.journal(a)
    for frame in (says.propose(1, b"late"), says.sleep(5, NOW_MS), says.output(b"late"), says.end()):
        assert s.says(a, frame, attempt=1) == []
    assert (s[a], s.journal(a), s.timers(a)) == (before, journal, [])


def test_the_end_of_an_attempt_in_the_middle_of_an_input_ends_the_hearing() -> None:
    """What follows a refused command was said by an attempt that had failed by then."""
    s = Script()
    a = s.invoke()
    s.says(
        a, says.send(1, "Svc/other"), says.call(2, 3, "No/body"), says.run(4), says.output(b"x"), says.end()
    )
    assert s.status(a) is Status.BACKING_OFF
    assert not any(isinstance(action, Complete) for action in s.actions)
    assert s.journal(a)[1] == "OneWayCall"
    assert len(s.journal(a)) == 3


# ---- what cannot be


@pytest.mark.parametrize("verb", [Cancel, Kill, Resume])
def test_verbs_are_refused_for_the_unknown_and_the_completed(verb: type[Cancel | Kill | Resume]) -> None:
    s = Script()
    unknown = invocation_id(9)
    assert s.apply(verb(unknown, "asker")) == [
        Reply("asker", error=(404, f"invocation '{unknown}' not found"))
    ]
    a = completed(s)
    before = s[a]
    assert s.apply(verb(a, "asker")) == [
        Reply("asker", error=(409, f"invocation '{a}' has completed already"))
    ]
    assert s[a] == before
    assert s.result(a) != Failure(409, "killed")
