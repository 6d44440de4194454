"""An invocation has its result."""

from __future__ import annotations

from dataclasses import replace

from perdure.engine.core.actions import Action, Complete, SetTimer
from perdure.engine.core.lifecycle import admission, waiters
from perdure.engine.core.model import TIME_MS_MAX, Invocation, Result, Status, Timer, TimerKind
from perdure.engine.core.results import result_of
from perdure.engine.core.transaction import Transaction
from perdure.protocol.discovery import HandlerManifest
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb

RETENTION_MS_DEFAULT = 24 * 60 * 60 * 1000
"""How long a completed invocation stays readable, as on restate-server: one day."""


def with_journaled_output(invocation: Invocation, tx: Transaction, now_ms: int) -> list[Action]:
    """The attempt ended; its output is a command in the journal (the session saw to that)."""
    output = next(e for e in reversed(tx.journal(invocation.id)) if e.type == MessageType.OUTPUT)
    result = result_of(pb.OutputCommand.FromString(output.payload))
    assert result is not None, "an output is a value or a failure"
    return with_result(invocation, result, tx, now_ms)


def with_result(invocation: Invocation, result: Result, tx: Transaction, now_ms: int) -> list[Action]:
    """Complete: forget its timers, tell those who wait, and plan its removal."""
    completed = replace(
        invocation,
        status=Status.COMPLETED,
        result=result,
        awaiting_on=None,
        next_retry_at_ms=None,
        completed_at_ms=now_ms,
        modified_at_ms=now_ms,
    )
    tx.put_invocation(completed)
    tx.remove_timers(completed.id)
    handler = tx.handler(completed.target.service, completed.target.handler)
    kept_ms = retention_ms(handler, idempotent=completed.idempotency_key is not None)
    purge_at_ms = min(now_ms + kept_ms, TIME_MS_MAX)
    purge = Timer(purge_at_ms, TimerKind.PURGE, completed.id)
    tx.add_timer(purge)
    tx.promises.forget_waiter(completed.id)
    told = waiters.tell_all(completed, tx, now_ms)
    following = admission.release(completed, tx, now_ms)
    return [*told, *following, SetTimer(purge), Complete(completed.id, result)]


def retention_ms(handler: HandlerManifest | None, *, idempotent: bool) -> int:
    """How long an invocation of a handler is kept once it has completed."""
    if handler is None:
        return RETENTION_MS_DEFAULT
    journal = handler.options.journal_retention_ms
    retention = RETENTION_MS_DEFAULT if journal is None else journal
    if handler.kind == "WORKFLOW":
        workflow = handler.options.workflow_retention_ms
        retention = max(retention, RETENTION_MS_DEFAULT if workflow is None else workflow)
    if idempotent:
        # A repeated request must find its first answer for as long as was promised.
        idempotency = handler.options.idempotency_retention_ms
        retention = max(retention, RETENTION_MS_DEFAULT if idempotency is None else idempotency)
    return retention
