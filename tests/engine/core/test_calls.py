"""Calls, sends and attachments: handlers that start one another and wait for results."""

from __future__ import annotations

from typing import Any

import handler_frames as says
import pytest
from rules_script import NOW_MS, Script, invocation_id

from perdure.engine.core.model import Failure, Status, Success, Target, TimerKind
from perdure.protocol import ids
from perdure.protocol.proto import service_protocol_pb2 as pb


def callee_of(s: Script, caller: str) -> str:
    """The id that the newest call told its caller."""
    told = next(e for e in reversed(s.journal(caller)) if e.startswith("CallInvocationId"))
    return told.rpartition(" = ")[2]


def finish(s: Script, invocation: str, result: bytes | Failure = b"done") -> None:
    s.says(invocation, says.output(result), says.end())


def test_a_call_creates_its_callee_once_and_tells_its_id_first() -> None:
    s = Script()
    a = s.invoke()
    header = pb.Header(key="h", value="v")
    s.says(a, says.call(1, 2, "Svc/other", b"ask", headers=[header]))
    b = callee_of(s, a)

    assert s.started() == [(b, 1)]
    assert s.heard(a) == [f"CallInvocationId 1 = {b}"]
    assert (s[b].target, s[b].caller_id) == (Target("Svc", "other"), a)
    [entry] = s.store.journal(b)
    assert pb.InputCommand.FromString(entry.payload) == pb.InputCommand(
        value=pb.Value(content=b"ask"), headers=[header]
    )
    finish(s, b)
    assert s.heard(a) == ["Call 2 = done"]
    assert s.journal(a) == ["Input", "Call", f"CallInvocationId 1 = {b}", "Call 2 = done"]


def test_a_callees_failure_is_passed_on_whole() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.call(1, 2, "Svc/other"))
    finish(s, callee_of(s, a), Failure(418, "teapot", (("brew", "tea"),)))
    told = pb.Notification.FromString(s.store.journal(a)[-1].payload)
    assert told.failure == pb.Failure(
        code=418, message="teapot", metadata=[pb.FailureMetadata(key="brew", value="tea")]
    )


def test_every_call_has_a_callee_of_its_own() -> None:
    s = Script()
    a, c = s.invoke(), s.invoke()
    s.says(a, says.call(1, 2, "Svc/other"), says.call(3, 4, "Svc/other"))
    s.says(c, says.call(1, 2, "Svc/other"))
    callees = {x.rpartition(" = ")[2] for i in (a, c) for x in s.journal(i) if x.startswith("CallInv")}
    assert len(callees) == 3


def test_calls_with_one_idempotency_key_share_a_callee() -> None:
    s = Script()
    a, c = s.invoke(), s.invoke()
    s.says(a, says.call(1, 2, "Svc/other", idempotency_key="k"))
    b = callee_of(s, a)
    assert b == ids.idempotent_invocation_id("Svc", "other", "", "k")
    s.says(c, says.call(1, 2, "Svc/other", idempotency_key="k"))
    assert s.started() == []
    finish(s, b)
    assert (s.heard(a), s.heard(c)) == (["Call 2 = done"], ["Call 2 = done"])

    s.says(c, says.call(3, 4, "Svc/other", idempotency_key="k"))
    assert s.heard(c) == [f"CallInvocationId 3 = {b}", "Call 4 = done"], "the result was there already"


def test_an_unknown_callee_fails_the_attempt_and_leaves_no_trace_in_the_journal() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.run(1), says.call(2, 3, "Nobody/home"), says.run(4))

    assert s.journal(a) == ["Input", "Run"]
    assert s.status(a) is Status.BACKING_OFF
    assert s.aborted() == [a]
    problem = s[a].problem
    assert problem is not None
    assert problem.code == 404
    assert "cannot call Nobody/home: no deployment serves it" in problem.message
    assert len(list(s.store.awaited_by(a))) == 0


def test_a_known_service_without_that_handler_is_as_unknown() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.send(1, "Svc/nowhere"))
    assert s.status(a) is Status.BACKING_OFF
    assert s.journal(a) == ["Input"]


def test_a_send_tells_the_id_and_nobody_waits() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.send(1, "Svc/other", b"go"))
    b = callee_of(s, a)
    assert s.started() == [(b, 1)]
    finish(s, b)
    assert s.heard(a) == []


def test_a_send_with_a_time_waits_for_it() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.send(1, "Svc/other", invoke_time=NOW_MS + 500))
    b = callee_of(s, a)
    assert s.status(b) is Status.SCHEDULED
    assert s.heard(a) == [f"CallInvocationId 1 = {b}"]
    s.passes(500)
    assert s.started() == [(b, 1)]


@pytest.mark.parametrize("invoke_time", [2**63, 2**64 - 1])
def test_a_send_to_the_end_of_time_waits_till_the_year_9999(invoke_time: int) -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.send(1, "Svc/other", invoke_time=invoke_time))
    b = callee_of(s, a)
    assert s[b].scheduled_at_ms == 253_402_300_799_999
    assert [(t.kind, t.at_ms) for t in s.timers(b)] == [(TimerKind.START, 253_402_300_799_999)]


# ---- scopes


@pytest.mark.parametrize("make", [says.call, says.send])
def test_a_callee_is_in_the_scope_that_its_caller_names_and_not_in_the_callers(make: Any) -> None:
    s = Script()
    a = s.invoke()
    completions = (1, 2) if make is says.call else (1,)
    s.says(a, make(*completions, "Svc/other", scope="tenant", limit_key="k"))
    b = callee_of(s, a)
    assert (s[b].scope, s[b].limit_key) == ("tenant", "k")

    s.says(b, says.send(1, "Svc/other"))
    c = callee_of(s, b)
    assert (s[c].scope, s[c].limit_key) == (None, None)


def test_an_idempotency_key_stands_for_one_invocation_in_each_scope() -> None:
    s = Script()
    a = s.invoke()
    callees = []
    for number, scope in enumerate([None, "tenant", "tenant", "another"]):
        s.says(a, says.send(number + 1, "Svc/other", idempotency_key="k", scope=scope))
        callees.append(callee_of(s, a))
    plain, tenant, again, another = callees
    assert tenant == again
    assert len({plain, tenant, another}) == 3
    assert plain == ids.derived_invocation_id("ik", "Svc", "", "other", "k"), "as before there were scopes"


def test_a_limit_key_without_a_scope_is_refused() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.call(1, 2, "Svc/other", limit_key="k"))
    assert (s.journal(a), s.status(a)) == (["Input"], Status.BACKING_OFF)
    problem = s[a].problem
    assert problem is not None
    assert problem.code == 400
    assert "cannot call Svc/other: a limit key needs a scope" in problem.message


def test_attach_finds_the_request_of_its_scope_alone() -> None:
    s = Script()
    request = s.invoke(id=ids.idempotent_invocation_id("Svc", "run", "", "k", "tenant"))
    run = s.invoke(id=ids.workflow_invocation_id("Svc", "k", "tenant"))
    finish(s, request, b"the request")
    finish(s, run, b"the run")
    workflow = pb.WorkflowTarget(workflow_name="Svc", workflow_key="k")
    scoped = pb.WorkflowTarget(workflow_name="Svc", workflow_key="k", scope="tenant")
    a = s.invoke()
    s.says(
        a,
        says.attach(1, **idempotent("k")),
        says.attach(2, **idempotent("k", scope="tenant")),
        says.attach(3, workflow_target=workflow),
        says.get_output(4, workflow_target=scoped),
    )
    assert s.heard(a) == [
        "AttachInvocation 1 ! 404 invocation not found",
        "AttachInvocation 2 = the request",
        "AttachInvocation 3 ! 404 invocation not found",
        "GetInvocationOutput 4 = the run",
    ]


# ---- attach and output


def idempotent(key: str, scope: str | None = None) -> dict[str, Any]:
    target = pb.IdempotentRequestTarget(
        service_name="Svc", handler_name="run", idempotency_key=key, scope=scope
    )
    return {"idempotent_request_target": target}


def test_attach_waits_for_one_that_runs() -> None:
    s = Script()
    a, b = s.invoke(), s.invoke()
    s.says(a, says.attach(1, invocation_id=b))
    assert s.heard(a) == []
    finish(s, b)
    assert s.heard(a) == ["AttachInvocation 1 = done"]


def test_attach_to_a_completed_one_brings_its_result_at_once() -> None:
    s = Script()
    a, b = s.invoke(), s.invoke()
    finish(s, b, Failure(500, "broken"))
    s.says(a, says.attach(1, invocation_id=b))
    assert s.heard(a) == ["AttachInvocation 1 ! 500 broken"]


def test_attach_to_an_unknown_one_fails_in_user_code_and_not_the_attempt() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.attach(1, invocation_id=invocation_id(99)))
    assert s.heard(a) == ["AttachInvocation 1 ! 404 invocation not found"]
    assert s.status(a) is Status.RUNNING


def test_attach_by_idempotency_key() -> None:
    s = Script()
    b = s.invoke(id=ids.idempotent_invocation_id("Svc", "run", "", "k"), idempotency_key="k")
    a = s.invoke()
    s.says(a, says.attach(1, **idempotent("k")), says.attach(2, **idempotent("unknown")))
    assert s.heard(a) == ["AttachInvocation 2 ! 404 invocation not found"]
    finish(s, b)
    assert s.heard(a) == ["AttachInvocation 1 = done"]


def test_output_is_what_is_known_now() -> None:
    s = Script()
    a, b = s.invoke(), s.invoke()
    unknown = invocation_id(99)
    s.says(a, says.get_output(1, invocation_id=b), says.get_output(2, invocation_id=unknown))
    assert s.heard(a) == ["GetInvocationOutput 1", "GetInvocationOutput 2 ! 404 invocation not found"]
    finish(s, b)
    assert s.heard(a) == []
    s.says(a, says.get_output(3, invocation_id=b))
    assert s.heard(a) == ["GetInvocationOutput 3 = done"]


def test_attaching_to_nothing_is_refused_and_not_journaled() -> None:
    s = Script()
    a = s.invoke()
    s.says(a, says.attach(1))
    assert s.journal(a) == ["Input"]
    assert s[a].problem is not None


def test_several_wait_for_one() -> None:
    s = Script()
    b = s.invoke()
    waiting = [s.invoke() for _ in range(3)]
    for a in waiting:
        s.says(a, says.attach(5, invocation_id=b))
    finish(s, b)
    assert [s.heard(a) for a in waiting] == [["AttachInvocation 5 = done"]] * 3
    assert s.result(b) == Success(b"done")
