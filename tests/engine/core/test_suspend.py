"""An attempt that can only wait ends, and another starts when there is something to go on with."""

from __future__ import annotations

import handler_frames as says
from rules_script import NOW_MS, Script, awakeable, invocation_id

from perdure.engine.core.actions import StartAttempt
from perdure.engine.core.inputs import Signal
from perdure.engine.core.model import Failure, Status, Success
from perdure.protocol.proto import service_protocol_pb2 as pb


def suspended_on(s: Script, *frames: bytes, point: pb.Future) -> str:
    a = s.invoke()
    s.says(a, *frames, says.suspend(on=point))
    assert s.status(a) is Status.SUSPENDED
    return a


def test_a_sleep_wakes_it_by_its_timer() -> None:
    s = Script()
    a = suspended_on(s, says.sleep(1, NOW_MS + 100), point=says.future(1))
    s.passes(100)
    assert s.actions == [StartAttempt(a, 2)]
    assert (s.status(a), s[a].awaiting_on) == (Status.RUNNING, None)
    assert s.journal(a)[-1] == "Sleep 1"


def test_a_callee_wakes_it_by_its_result() -> None:
    s = Script()
    a = suspended_on(s, says.call(1, 2, "Svc/other"), point=says.future(2))
    [b] = [w.invocation_id for w in s.store.awaited_by(a)]
    s.says(b, says.output(b"done"), says.end())
    assert s.started() == [(a, 2)]


def test_an_attached_invocation_wakes_it_by_its_result() -> None:
    s = Script()
    b = s.invoke()
    a = suspended_on(s, says.attach(1, invocation_id=b), point=says.future(1))
    s.says(b, says.output(Failure(500, "broken")), says.end())
    assert s.started() == [(a, 2)]


def test_an_awakeable_wakes_it_from_outside_and_from_another_handler() -> None:
    s = Script()
    a = suspended_on(s, point=says.future(signals=(17,)))
    s.apply(Signal(a, 17, Success(b"yes")))
    assert s.started() == [(a, 2)]

    s.says(a, says.suspend(signals=(18,)))
    b = s.invoke()
    s.says(b, says.complete_awakeable(awakeable(a, 1), b"also"))
    assert s.started() == [(a, 3)]
    assert s.journal(a) == ["Input", "Signal 17 = yes", "Signal 18 = also"]


def test_a_named_signal_wakes_it() -> None:
    s = Script()
    a = suspended_on(s, point=says.future(named=("go",)))
    s.apply(Signal(a, "stay", None))
    assert s.started() == []
    s.apply(Signal(a, "go", None))
    assert s.started() == [(a, 2)]


def test_what_it_does_not_wait_for_is_journaled_and_wakes_nobody() -> None:
    s = Script()
    a = suspended_on(s, says.sleep(1, NOW_MS + 5), says.sleep(2, NOW_MS + 9), point=says.future(2))
    s.passes(5)
    assert s.actions == []
    assert s.journal(a)[-1] == "Sleep 1"
    s.passes(4)
    assert s.started() == [(a, 2)]


def test_all_of_several_must_be_there_when_it_waits_for_all() -> None:
    s = Script()
    point = says.future(1, 2, of=pb.ALL_COMPLETED)
    a = suspended_on(s, says.sleep(1, NOW_MS + 5), says.sleep(2, NOW_MS + 9), point=point)
    s.passes(5)
    assert s.started() == []
    s.passes(4)
    assert s.started() == [(a, 2)]


def test_what_completed_while_it_was_suspending_starts_it_at_once() -> None:
    """The notification and the suspension crossed on the wire; nothing else would ever wake it."""
    s = Script()
    a = s.invoke()
    s.says(a, says.sleep(1, NOW_MS + 5))
    s.passes(5)
    assert s.heard(a) == ["Sleep 1"]
    s.says(a, says.suspend(1))
    assert s.actions == [StartAttempt(a, 2)]


def test_the_same_in_one_input() -> None:
    s = Script()
    a, b = s.invoke(), s.invoke()
    s.says(b, says.output(b"done"), says.end())
    s.says(a, says.attach(1, invocation_id=b), says.suspend(1))
    assert s.started() == [(a, 2)]
    assert s.status(a) is Status.RUNNING


def test_of_two_that_crossed_the_first_one_counts() -> None:
    """Both were delivered after the handler had decided to suspend; a replay would see 3 fail first."""
    s = Script()
    a = s.invoke()
    s.says(
        a, says.run(1), says.run(2), says.run(3), says.propose(3, Failure(500, "no")), says.propose(2, b"x")
    )
    race = says.future(2, 3, of=pb.FIRST_COMPLETED)
    s.says(a, says.suspend(on=says.future(1, nested=(race,), of=pb.ALL_SUCCEEDED_OR_FIRST_FAILED)))
    assert s.started() == [(a, 2)]


def test_versions_5_and_6_wake_at_the_first_of_their_lists() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.sleep(1, NOW_MS + 5), says.suspend_flat(1, 2, signals=(1, 17)))
    assert s.status(a) is Status.SUSPENDED
    s.passes(5)
    assert s.started() == [(a, 2)]


def test_a_second_result_of_an_awakeable_changes_nothing() -> None:
    s = Script()
    a = s.invoke()
    s.apply(Signal(a, 17, Success(b"first")))
    assert s.heard(a) == ["Signal 17 = first"]
    assert s.apply(Signal(a, 17, Failure(500, "second"))) == []
    b = s.invoke()
    s.says(b, says.complete_awakeable(awakeable(a), b"third"))
    assert s.actions == []
    assert s.journal(a) == ["Input", "Signal 17 = first"]


def test_a_rejected_awakeable_is_a_failure() -> None:
    s = Script()
    a, b = s.invoke(), s.invoke()
    s.says(b, says.complete_awakeable(awakeable(a), Failure(500, "denied")))
    assert s.heard(a) == ["Signal 17 ! 500 denied"]


def test_an_awakeable_of_nobody_is_an_error_outside_and_silence_inside() -> None:
    s = Script()
    nobody = invocation_id(99)
    s.apply(Signal(nobody, 17, None, request="asker"))
    assert [(reply.request, reply.error) for reply in s.replies()] == [
        ("asker", (404, f"invocation '{nobody}' not found"))
    ]
    a = s.invoke()
    s.says(a, says.complete_awakeable(awakeable(nobody), b"x"))
    assert s.actions == []
    assert s.status(a) is Status.RUNNING


def test_an_awakeable_of_a_completed_invocation_is_heard_by_nobody() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.output(b"x"), says.end())
    s.apply(Signal(a, 17, Success(b"late"), request="asker"))
    assert [reply.error for reply in s.replies()] == [None]
    assert s.journal(a) == ["Input", "Output"]


def test_bad_awakeables_and_signals_fail_the_attempt_and_are_not_journaled() -> None:
    for frame in (
        says.complete_awakeable("nonsense", b"x"),
        says.signal("nonsense", idx=17, void=pb.Void()),
        says.signal(invocation_id(1), void=pb.Void()),
    ):
        s = Script()
        a = s.invoke()
        s.says(a, frame)
        problem = s[a].problem
        assert problem is not None
        assert problem.code == 400
        assert s.journal(a) == ["Input"]


def test_signals_from_handlers_by_index_and_by_name_to_others_and_to_oneself() -> None:
    s = Script()
    a, b = s.invoke(), s.invoke()
    s.says(
        b,
        says.signal(a, idx=20, value=pb.Value(content=b"v")),
        says.signal(a, name="go", failure=pb.Failure(code=400, message="no")),
        says.signal(b, name="me", void=pb.Void()),
    )
    assert s.heard(a) == ["Signal 20 = v", "Signal go ! 400 no"]
    assert s.heard(b) == ["Signal me"]
    assert s.journal(b) == ["Input", "SendSignal", "SendSignal", "SendSignal", "Signal me"]
