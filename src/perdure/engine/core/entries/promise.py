"""Durable promises of a workflow: get waits, peek does not, and the first completion stands."""

from __future__ import annotations

from typing import Any

from perdure.engine.core.actions import Action
from perdure.engine.core.entries.rejection import CommandRejected
from perdure.engine.core.lifecycle import attempt
from perdure.engine.core.model import Failure, Invocation, Success
from perdure.engine.core.results import decode_failure, notification
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb

ALREADY_COMPLETED = Failure(409, "promise was already completed")


def check(message: Any, invocation: Invocation, tx: Transaction) -> None:
    """Only workflows have promises."""
    if not invocation.target.key:
        command = type(message).__name__.removesuffix("Command")
        raise CommandRejected(400, f"{command}: only a workflow has promises")


def apply_get(
    message: pb.GetPromiseCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """Answer once there is a result."""
    target = invocation.target
    result = tx.promises.get(target.service, target.key, message.key)
    if result is None:
        tx.promises.add_waiter(
            target.service, target.key, message.key, invocation.id, message.result_completion_id
        )
        return []
    payload = notification(message.result_completion_id, result)
    return attempt.notify(invocation.id, MessageType.GET_PROMISE_COMPLETION, payload, tx, now_ms)


def apply_peek(
    message: pb.PeekPromiseCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """Answer now: the result, or void."""
    target = invocation.target
    result = tx.promises.get(target.service, target.key, message.key)
    payload = notification(message.result_completion_id, result)
    return attempt.notify(invocation.id, MessageType.PEEK_PROMISE_COMPLETION, payload, tx, now_ms)


def apply_complete(
    message: pb.CompletePromiseCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """Complete it and tell those who wait; a promise that has a result keeps it, and that is a failure."""
    target = invocation.target
    actions: list[Action] = []
    answer: Failure | None = None
    if tx.promises.get(target.service, target.key, message.key) is not None:
        answer = ALREADY_COMPLETED
    else:
        result = (
            decode_failure(message.completion_failure)
            if message.WhichOneof("completion") == "completion_failure"
            else Success(message.completion_value.content)
        )
        tx.promises.complete(target.service, target.key, message.key, result)
        for waiter_id, completion_id in tx.promises.take_waiters(target.service, target.key, message.key):
            payload = notification(completion_id, result)
            actions += attempt.notify(waiter_id, MessageType.GET_PROMISE_COMPLETION, payload, tx, now_ms)
    payload = notification(message.result_completion_id, answer)
    return actions + attempt.notify(
        invocation.id, MessageType.COMPLETE_PROMISE_COMPLETION, payload, tx, now_ms
    )
