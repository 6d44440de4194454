"""Durable promises of a workflow: get waits, peek does not, and the first completion stands."""

from __future__ import annotations

from typing import Any

from perdure.engine.core.actions import Action
from perdure.engine.core.entries.rejection import CommandRejected
from perdure.engine.core.lifecycle import attempt, promises
from perdure.engine.core.model import Invocation, Success
from perdure.engine.core.results import decode_failure, notification
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb


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
    result = (
        decode_failure(message.completion_failure)
        if message.WhichOneof("completion") == "completion_failure"
        else Success(message.completion_value.content)
    )
    actions = promises.complete(target.service, target.key, message.key, result, tx, now_ms)
    answer = promises.ALREADY_COMPLETED if actions is None else None
    payload = notification(message.result_completion_id, answer)
    return (actions or []) + attempt.notify(
        invocation.id, MessageType.COMPLETE_PROMISE_COMPLETION, payload, tx, now_ms
    )
