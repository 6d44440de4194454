"""Runs, sleeps and the output: what a handler does by itself."""

from __future__ import annotations

import handler_frames as says
import pytest
from rules_script import NOW_MS, Script

from perdure.engine.core.actions import Complete, ConfirmRun, SetTimer
from perdure.engine.core.model import Failure, Status, Success, Timer, TimerKind
from perdure.protocol.frames import encode_frame


def test_a_run_is_journaled_then_its_result_and_only_then_confirmed() -> None:
    s = Script()
    a = s.invoke()
    assert s.says(a, says.run(1, "lookup")) == []
    [confirm] = s.says(a, says.propose(1, b"found", ack=True))

    assert isinstance(confirm, ConfirmRun)
    assert (confirm.id, confirm.proposed.ack_requested) == (a, True)
    assert s.journal(a) == ["Input", "Run lookup", "Run 1 = found"]


def test_a_runs_failure_is_its_result_too() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.run(1), says.propose(1, Failure(404, "nothing there")))
    assert s.journal(a)[-1] == "Run 1 ! 404 nothing there"
    assert s.status(a) is Status.RUNNING


def test_notifications_are_delivered_in_the_order_of_the_journal() -> None:
    """Replay delivers them as the journal has them: live delivery must not differ."""
    s = Script()
    a = s.invoke()
    s.says(a, says.run(1), says.run(2), says.sleep(3, NOW_MS + 10), says.run(4))
    s.says(a, says.propose(2, b"two"), says.propose(1, b"one"))
    heard = s.heard(a)
    s.passes(10)
    heard += s.heard(a)
    s.says(a, says.propose(4, b"four"))
    heard += s.heard(a)

    assert heard == ["Run 2 = two", "Run 1 = one", "Sleep 3", "Run 4 = four"]
    assert s.journal(a)[-4:] == heard


def test_a_sleep_completes_when_its_time_comes() -> None:
    s = Script()
    a = s.invoke()
    timer = Timer(NOW_MS + 1000, TimerKind.SLEEP, a, 7)
    assert s.says(a, says.sleep(7, NOW_MS + 1000)) == [SetTimer(timer)]
    assert s.passes(999) == []
    s.passes(1)
    assert s.heard(a) == ["Sleep 7"]
    assert s.fires(timer) == []
    assert s.journal(a) == ["Input", "Sleep", "Sleep 7"]


def test_sleeps_that_end_at_once_end_in_the_order_of_their_commands() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.sleep(1, NOW_MS), says.sleep(2, NOW_MS))
    s.passes(0)
    assert s.journal(a)[-2:] == ["Sleep 1", "Sleep 2"]


@pytest.mark.parametrize("wake_up_time", [2**63, 2**64 - 1, 253_402_300_800_000])
def test_a_sleep_for_ever_is_a_sleep_to_the_last_time_that_can_be_written_down(wake_up_time: int) -> None:
    """A uint64 on the wire; the store holds 63 bits, and no date is later than the year 9999."""
    s = Script()
    a = s.invoke()
    s.says(a, says.sleep(1, wake_up_time))
    assert [timer.at_ms for timer in s.timers(a)] == [253_402_300_799_999]


@pytest.mark.parametrize(("result"), [Success(b"done"), Success(b""), Failure(422, "no", (("k", "v"),))])
def test_the_output_is_the_result_once_the_attempt_has_ended(result: Success | Failure) -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.output(result.value if isinstance(result, Success) else result))
    assert s.status(a) is Status.RUNNING
    s.now_ms += 5
    s.says(a, says.end())

    assert s.completed() == {a: result}
    assert (s.status(a), s.result(a), s[a].completed_at_ms) == (Status.COMPLETED, result, NOW_MS + 5)


def test_an_attempt_that_died_after_its_output_ends_with_that_output() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.run(1), says.output(b"done"), says.propose(1, b"beside it"))
    s.says(a, says.error())
    s.passes(60_000)
    s.says(a, says.end())
    assert Complete(a, Success(b"done")) in s.actions
    assert s.journal(a) == ["Input", "Run", "Output", "Run 1 = beside it"]


def test_a_completed_invocation_hears_and_says_nothing_more() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.sleep(1, NOW_MS + 10), says.run(2), says.output(b"done"), says.end())
    assert [timer.kind for timer in s.timers(a)] == [TimerKind.PURGE]
    assert s.fires(Timer(NOW_MS + 10, TimerKind.SLEEP, a, 1)) == []
    assert s.journal(a) == ["Input", "Sleep", "Run", "Output"]


def test_a_custom_command_is_journaled_and_nothing_else() -> None:
    s = Script()
    a = s.invoke()
    assert s.says(a, encode_frame(0xFC01, b"\x62\x04mine")) == []
    assert s.journal(a) == ["Input", "Custom 0xFC01 mine"]


@pytest.mark.parametrize("kind", list(range(0x0402, 0x040C)))
def test_state_and_promises_are_refused_by_name_and_not_journaled(kind: int) -> None:
    s = Script()
    a = s.invoke()
    s.says(a, encode_frame(kind, b""), says.run(1))
    problem = s[a].problem
    assert problem is not None
    assert problem.code == 400
    assert (
        "a plain service has no state" in problem.message or "only a workflow has promises" in problem.message
    )
    assert s.aborted() == [a]
    assert s.journal(a) == ["Input"], "what follows a refused command is not heard either"
