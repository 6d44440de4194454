"""Those who wait inside the engine for an invocation's result: its callers, and who attached to it."""

from __future__ import annotations

from perdure.engine.core.actions import Action
from perdure.engine.core.lifecycle import attempt
from perdure.engine.core.model import Invocation, Waiter, WaiterKind
from perdure.engine.core.results import notification
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import MessageType

_COMPLETIONS = {
    WaiterKind.CALL: MessageType.CALL_COMPLETION,
    WaiterKind.ATTACH: MessageType.ATTACH_INVOCATION_COMPLETION,
}


def add(waiter: Waiter, tx: Transaction, now_ms: int) -> list[Action]:
    """Wait for a result; one that is there already comes at once."""
    target = tx.invocation(waiter.invocation_id)
    if target is not None and target.result is not None:
        return _tell(waiter, target, tx, now_ms)
    tx.add_waiter(waiter)
    return []


def tell_all(completed: Invocation, tx: Transaction, now_ms: int) -> list[Action]:
    """Give the result to everyone who waits for it."""
    return [
        action for waiter in tx.take_waiters(completed.id) for action in _tell(waiter, completed, tx, now_ms)
    ]


def _tell(waiter: Waiter, completed: Invocation, tx: Transaction, now_ms: int) -> list[Action]:
    payload = notification(waiter.completion_id, completed.result)
    return attempt.notify(waiter.waiter_id, _COMPLETIONS[waiter.kind], payload, tx, now_ms)
