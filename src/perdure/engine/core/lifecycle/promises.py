"""Complete a durable promise, for a handler or for somebody outside."""

from __future__ import annotations

from perdure.engine.core.actions import Action, Reply
from perdure.engine.core.inputs import CompletePromise
from perdure.engine.core.lifecycle import attempt
from perdure.engine.core.model import Failure, Result
from perdure.engine.core.results import notification
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import MessageType

ALREADY_COMPLETED = Failure(409, "promise was already completed")


def apply(event: CompletePromise, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for CompletePromise."""
    actions = complete(event.service, event.key, event.name, event.result, tx, now_ms)
    if event.request is None:
        return actions or []
    refused = (ALREADY_COMPLETED.code, ALREADY_COMPLETED.message) if actions is None else None
    return [*(actions or []), Reply(event.request, error=refused)]


def complete(
    service: str, key: str, name: str, result: Result, tx: Transaction, now_ms: int
) -> list[Action] | None:
    """Keep the result and tell those who wait; None when the promise has one already, which stands."""
    if tx.promises.get(service, key, name) is not None:
        return None
    tx.promises.complete(service, key, name, result)
    return [
        action
        for waiter_id, completion_id in tx.promises.take_waiters(service, key, name)
        for action in attempt.notify(
            waiter_id,
            MessageType.GET_PROMISE_COMPLETION,
            notification(completion_id, result),
            tx,
            now_ms,
        )
    ]
