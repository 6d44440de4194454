"""An attempt failed: try again later, pause, or fail for good, as the policy or the handler says."""

from __future__ import annotations

from dataclasses import replace

from perdure.engine.core.actions import Action, SetTimer
from perdure.engine.core.lifecycle import complete
from perdure.engine.core.model import (
    TIME_MS_MAX,
    AttemptFailure,
    Failure,
    Invocation,
    Problem,
    Status,
    Timer,
    TimerKind,
)
from perdure.engine.core.retry_policy import RetryPolicy
from perdure.engine.core.transaction import Transaction
from perdure.protocol.proto import service_protocol_pb2 as pb


def after_failure(
    invocation: Invocation,
    problem: Problem,
    tx: Transaction,
    now_ms: int,
    delay_override_ms: int | None = None,
    behavior: int = pb.RETRY,
) -> list[Action]:
    """Decide what follows a failed attempt. Attempts that got further are not counted against it."""
    length = tx.journal_length(invocation.id)
    advanced = length > invocation.failed_at_length
    failed = replace(
        invocation,
        problem=problem,
        retry_count=1 if advanced else invocation.retry_count + 1,
        failed_at_length=length,
        modified_at_ms=now_ms,
    )
    if advanced or problem != invocation.problem:  # a thousand equal failures tell no more than one
        tx.add_failure(invocation.id, AttemptFailure(problem, length, now_ms))
    policy = _policy(failed, tx)
    exhausted = policy.exhausted(failed.retry_count)
    if behavior == pb.FAIL or (exhausted and policy.kill_on_max_attempts):
        return complete.with_result(failed, Failure(problem.code, problem.message), tx, now_ms)
    if behavior == pb.PAUSE or exhausted:
        tx.put_invocation(replace(failed, status=Status.PAUSED))
        return []
    delay_ms = policy.delay_ms(failed.retry_count) if delay_override_ms is None else delay_override_ms
    timer = Timer(min(now_ms + delay_ms, TIME_MS_MAX), TimerKind.RETRY, failed.id)
    tx.put_invocation(replace(failed, status=Status.BACKING_OFF, next_retry_at_ms=timer.at_ms))
    tx.add_timer(timer)
    return [SetTimer(timer)]


def _policy(invocation: Invocation, tx: Transaction) -> RetryPolicy:
    handler = tx.handler(invocation.target.service, invocation.target.handler)
    return RetryPolicy.of(handler.options) if handler else RetryPolicy()
