"""Accept a new invocation, now or for later; or recognise one that exists."""

from __future__ import annotations

from perdure.engine.core.actions import Action, Reply, SetTimer
from perdure.engine.core.inputs import Invoke
from perdure.engine.core.lifecycle import admission
from perdure.engine.core.model import Entry, Invocation, Status, Target, Timer, TimerKind
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb


def apply(event: Invoke, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for Invoke."""
    created, actions = create(
        event.id,
        event.target,
        event.parameter,
        event.headers,
        tx,
        now_ms,
        idempotency_key=event.idempotency_key,
        execute_at_ms=event.execute_at_ms,
        traceparent=event.traceparent,
    )
    if event.request is not None:
        actions.append(Reply(event.request, created=created))
    return actions


def create(
    invocation_id: str,
    target: Target,
    parameter: bytes,
    headers: tuple[tuple[str, str], ...],
    tx: Transaction,
    now_ms: int,
    *,
    idempotency_key: str | None = None,
    execute_at_ms: int | None = None,
    caller_id: str | None = None,
    scope: str | None = None,
    limit_key: str | None = None,
    traceparent: str | None = None,
) -> tuple[bool, list[Action]]:
    """(False, nothing to do) when the id exists: it is derived from what makes it the same request."""
    if tx.invocation(invocation_id) is not None:
        return False, []
    later = execute_at_ms is not None and execute_at_ms > now_ms
    invocation = Invocation(
        id=invocation_id,
        target=target,
        status=Status.SCHEDULED,
        created_at_ms=now_ms,
        modified_at_ms=now_ms,
        idempotency_key=idempotency_key,
        caller_id=caller_id,
        scheduled_at_ms=execute_at_ms if later else None,
        exclusive=_is_exclusive(target, tx),
        scope=scope,
        limit_key=limit_key,
        traceparent=traceparent,
    )
    command = pb.InputCommand(
        headers=[pb.Header(key=key, value=value) for key, value in headers],
        value=pb.Value(content=parameter),
    )
    tx.append(invocation_id, Entry(MessageType.INPUT, command.SerializeToString(), now_ms))
    if later and execute_at_ms is not None:
        tx.put_invocation(invocation)
        timer = Timer(execute_at_ms, TimerKind.START, invocation_id)
        tx.add_timer(timer)
        return True, [SetTimer(timer)]
    return True, admission.admit(invocation, tx, now_ms)


def is_workflow_run(target: Target, tx: Transaction) -> bool:
    """The one handler of a workflow that runs once for each key."""
    handler = tx.handler(target.service, target.handler)
    return handler is not None and handler.kind == "WORKFLOW"


def _is_exclusive(target: Target, tx: Transaction) -> bool:
    handler = tx.handler(target.service, target.handler)
    return (
        handler is not None
        and handler.kind != "SHARED"
        and tx.service_kind(target.service) == "VIRTUAL_OBJECT"
    )
