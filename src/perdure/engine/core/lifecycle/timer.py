"""A timer fired. Each does its work once: it is removed in the transaction that does it."""

from __future__ import annotations

from perdure.engine.core.actions import Action
from perdure.engine.core.inputs import TimerFired
from perdure.engine.core.lifecycle import admission, attempt, purge
from perdure.engine.core.model import Status, TimerKind
from perdure.engine.core.results import notification
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import MessageType


def apply(event: TimerFired, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for TimerFired. A timer that was removed meanwhile, or outlived its purpose, does nothing."""
    timer = event.timer
    invocation = tx.invocation(timer.invocation_id)
    if not tx.remove_timer(timer) or invocation is None:
        return []
    match timer.kind, invocation.status:
        case TimerKind.SLEEP, _:
            payload = notification(timer.completion_id, None)
            return attempt.notify(invocation.id, MessageType.SLEEP_COMPLETION, payload, tx, now_ms)
        case TimerKind.START, Status.SCHEDULED:
            return admission.admit(invocation, tx, now_ms)
        # A back-off may have been cut short, and another begun: each one hears its own timer only.
        case TimerKind.RETRY, Status.BACKING_OFF if timer.at_ms == invocation.next_retry_at_ms:
            return attempt.start(invocation, tx, now_ms)
        case TimerKind.PURGE, Status.COMPLETED:
            return purge.purge(invocation, tx)
        case _:
            return []
