"""An invocation is accepted once: now, for later, or recognised."""

from __future__ import annotations

import handler_frames as says
from rules_script import NOW_MS, Script, invocation_id

from perdure.engine.core.actions import Reply, SetTimer, StartAttempt
from perdure.engine.core.inputs import Invoke
from perdure.engine.core.model import Status, Success, Target, Timer, TimerKind
from perdure.protocol.messages import decode_message
from perdure.protocol.proto import service_protocol_pb2 as pb

TARGET = Target("Svc", "run")
A = invocation_id(1)


def test_a_request_is_journaled_and_starts_at_once() -> None:
    s = Script()
    s.apply(Invoke(A, TARGET, b"in", headers=(("x-colour", "blue"), ("x-colour", "red")), request="asker"))

    assert s.actions == [StartAttempt(A, 1), Reply("asker", created=True)]
    assert s.status(A) is Status.RUNNING
    assert (s[A].created_at_ms, s[A].attempt, s[A].deployment_id) == (NOW_MS, 1, "dp_memory")
    [entry] = s.store.journal(A)
    assert decode_message(entry.type, entry.payload) == pb.InputCommand(
        headers=[pb.Header(key="x-colour", value="blue"), pb.Header(key="x-colour", value="red")],
        value=pb.Value(content=b"in"),
    )


def test_nobody_asked_nobody_is_answered() -> None:
    s = Script()
    assert s.apply(Invoke(A, TARGET, b"")) == [StartAttempt(A, 1)]


def test_the_same_id_again_is_the_same_invocation_whatever_its_status() -> None:
    s = Script()
    s.apply(Invoke(A, TARGET, b"first", idempotency_key="k"))
    before = s[A]
    again = Invoke(A, TARGET, b"second", idempotency_key="k", execute_at_ms=NOW_MS + 5, request="asker")

    assert s.apply(again) == [Reply("asker", created=False)]
    assert s[A] == before
    assert s.journal(A) == ["Input"]
    assert s.timers(A) == []


def test_a_delayed_request_waits_for_its_timer() -> None:
    s = Script()
    s.apply(Invoke(A, TARGET, b"in", execute_at_ms=NOW_MS + 1000, request="asker"))
    timer = Timer(NOW_MS + 1000, TimerKind.START, A)

    assert s.actions == [SetTimer(timer), Reply("asker", created=True)]
    assert s.status(A) is Status.SCHEDULED
    assert s[A].scheduled_at_ms == NOW_MS + 1000
    assert s.passes(999) == []
    assert s.passes(1) == [StartAttempt(A, 1)]
    assert s.status(A) is Status.RUNNING
    assert s.fires(timer) == [], "a timer fires once"


def test_a_delay_that_is_over_is_none() -> None:
    s = Script()
    s.apply(Invoke(A, TARGET, b"", execute_at_ms=NOW_MS))
    assert s.started() == [(A, 1)]
    assert s[A].scheduled_at_ms is None


def test_a_service_that_is_not_deployed_yet_has_no_deployment_yet() -> None:
    s = Script()
    s.apply(Invoke(A, Target("Later", "run"), b""))
    assert s[A].deployment_id is None


def test_a_result_stays_for_its_retention_and_then_all_of_it_is_gone() -> None:
    s = Script(journalRetention=5000)
    a = s.invoke()
    s.says(a, says.output(b"done"), says.end())
    assert s.result(a) == Success(b"done")
    assert s.set_timers() == [Timer(NOW_MS + 5000, TimerKind.PURGE, a)]

    s.passes(4999)
    assert s.result(a) == Success(b"done")
    s.passes(1)
    assert s.store.invocation(a) is None
    assert s.journal(a) == []
    assert s.timers(a) == []


def test_an_idempotent_result_stays_as_long_as_its_key_is_promised_to_work() -> None:
    s = Script(journalRetention=0, idempotencyRetention=9000)
    a = s.invoke(idempotency_key="k")
    s.says(a, says.output(b""), says.end())
    b = s.invoke()
    s.says(b, says.output(b""), says.end())
    s.passes(0)
    assert s.store.invocation(b) is None
    s.passes(8999)
    assert s.store.invocation(a) is not None
    s.passes(1)
    assert s.store.invocation(a) is None


def test_without_a_word_on_retention_a_result_stays_a_day() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.output(b""), says.end())
    assert [timer.at_ms for timer in s.timers(a)] == [NOW_MS + 24 * 3600 * 1000]
