"""Attach to another invocation, or ask for its output."""

from __future__ import annotations

from perdure.engine.core.actions import Action
from perdure.engine.core.entries.rejection import CommandRejected
from perdure.engine.core.lifecycle import attempt, waiters
from perdure.engine.core.model import Failure, Invocation, Waiter, WaiterKind
from perdure.engine.core.results import notification
from perdure.engine.core.transaction import Transaction
from perdure.protocol import ids
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb

AnyAttach = pb.AttachInvocationCommand | pb.GetInvocationOutputCommand

NOT_FOUND = Failure(404, "invocation not found")


def check(message: AnyAttach, invocation: Invocation, tx: Transaction) -> None:
    """There must be a target."""
    if message.WhichOneof("target") is None:
        raise CommandRejected(400, "an attach names an invocation, an idempotent request or a workflow")


def apply(
    message: pb.AttachInvocationCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """The result when there is one, now or later; a failure when the target is unknown."""
    attached_id = target_id(message)
    if tx.invocation(attached_id) is None:
        payload = notification(message.result_completion_id, NOT_FOUND)
        return attempt.notify(invocation.id, MessageType.ATTACH_INVOCATION_COMPLETION, payload, tx, now_ms)
    waiter = Waiter(attached_id, invocation.id, message.result_completion_id, WaiterKind.ATTACH)
    return waiters.add(waiter, tx, now_ms)


def apply_output(
    message: pb.GetInvocationOutputCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """The result as it is now; void when there is none yet."""
    target = tx.invocation(target_id(message))
    result = NOT_FOUND if target is None else target.result
    payload = notification(message.result_completion_id, result)
    return attempt.notify(invocation.id, MessageType.GET_INVOCATION_OUTPUT_COMPLETION, payload, tx, now_ms)


def target_id(message: AnyAttach) -> str:
    """Id of the invocation that it names, however it names it."""
    if message.WhichOneof("target") == "invocation_id":
        return message.invocation_id
    if message.WhichOneof("target") == "workflow_target":
        workflow = message.workflow_target
        return ids.workflow_invocation_id(
            workflow.workflow_name, workflow.workflow_key, workflow.scope or None
        )
    request = message.idempotent_request_target
    return ids.idempotent_invocation_id(
        request.service_name,
        request.handler_name,
        request.service_key,
        request.idempotency_key,
        request.scope or None,
    )
