"""Call and one-way call: another handler is invoked.

The callee's id is derived from the caller's and the command's completion id (or from the idempotency
key): the command is journaled once, so the callee exists once, and no randomness is needed.
"""

from __future__ import annotations

from perdure.engine.core.actions import Action
from perdure.engine.core.entries.rejection import CommandRejected
from perdure.engine.core.lifecycle import attempt, invoke, waiters
from perdure.engine.core.model import TIME_MS_MAX, Failure, Invocation, Target, Waiter, WaiterKind
from perdure.engine.core.results import notification
from perdure.engine.core.transaction import Transaction
from perdure.protocol import ids
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb
from perdure.telemetry.trace_context import TRACEPARENT, of_invocation

WORKFLOW_ALREADY_INVOKED = Failure(409, "the workflow method was already invoked")

AnyCall = pb.CallCommand | pb.OneWayCallCommand


def check(message: AnyCall, invocation: Invocation, tx: Transaction) -> None:
    """The callee must exist (it may be deployed later: then a retry of the attempt finds it), and have a key
    exactly if its service is keyed. A limit key divides a scope, and says nothing without one."""
    target = f"{message.service_name}/{message.handler_name}"
    if tx.handler(message.service_name, message.handler_name) is None:
        raise CommandRejected(404, f"cannot call {target}: no deployment serves it")
    is_keyed = tx.service_kind(message.service_name) != "SERVICE"
    if is_keyed != bool(message.key):
        what = "it needs a key" if is_keyed else f"a plain service has no key, and '{message.key}' was given"
        raise CommandRejected(400, f"cannot call {target}: {what}")
    if message.limit_key and not message.scope:
        raise CommandRejected(400, f"cannot call {target}: a limit key needs a scope")
    if message.scope and is_keyed:
        # Its lock, state and promises belong to the key alone: two scopes would share them in silence.
        raise CommandRejected(400, f"cannot call {target}: a scope is for plain services only")


def apply(message: pb.CallCommand, invocation: Invocation, tx: Transaction, now_ms: int) -> list[Action]:
    """Invoke, tell the caller the callee's id, and its result when there is one."""
    callee_id, created, actions = _invoke(message, invocation, None, tx, now_ms)
    if not created and invoke.is_workflow_run(Target(message.service_name, message.handler_name), tx):
        payload = notification(message.result_completion_id, WORKFLOW_ALREADY_INVOKED)
        return actions + attempt.notify(invocation.id, MessageType.CALL_COMPLETION, payload, tx, now_ms)
    waiter = Waiter(callee_id, invocation.id, message.result_completion_id, WaiterKind.CALL)
    return actions + waiters.add(waiter, tx, now_ms)


def apply_one_way(
    message: pb.OneWayCallCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """Invoke, now or at `invoke_time`, and tell the caller the callee's id."""
    execute_at_ms = min(message.invoke_time, TIME_MS_MAX) or None
    return _invoke(message, invocation, execute_at_ms, tx, now_ms)[2]


def _invoke(
    message: AnyCall, caller: Invocation, execute_at_ms: int | None, tx: Transaction, now_ms: int
) -> tuple[str, bool, list[Action]]:
    target = Target(message.service_name, message.handler_name, message.key)
    scope = message.scope or None
    id_completion = message.invocation_id_notification_idx
    if invoke.is_workflow_run(target, tx):
        callee_id = ids.workflow_invocation_id(target.service, target.key)
    elif message.idempotency_key:
        callee_id = ids.idempotent_invocation_id(
            target.service, target.handler, target.key, message.idempotency_key, scope
        )
    else:
        callee_id = ids.derived_invocation_id("call", caller.id, str(id_completion))
    created, actions = invoke.create(
        callee_id,
        target,
        message.parameter,
        tuple((header.key, header.value) for header in message.headers),
        tx,
        now_ms,
        idempotency_key=message.idempotency_key or None,
        execute_at_ms=execute_at_ms,
        caller_id=caller.id,
        scope=scope,
        limit_key=message.limit_key or None,
        traceparent=_traceparent(message, caller),
    )
    known = pb.Notification(completion_id=id_completion, invocation_id=callee_id)
    actions += attempt.notify(
        caller.id, MessageType.CALL_INVOCATION_ID_COMPLETION, known.SerializeToString(), tx, now_ms
    )
    return callee_id, created, actions


def _traceparent(message: AnyCall, caller: Invocation) -> str:
    """The caller's span, unless its code names another one."""
    named = next((h.value for h in message.headers if h.key.lower() == TRACEPARENT), None)
    return named or str(of_invocation(caller.id, caller.traceparent))
