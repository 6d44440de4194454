"""Cancel: ask an invocation's code to end itself; it may clean up first."""

from __future__ import annotations

from perdure.engine.core.actions import Action, Complete, Reply
from perdure.engine.core.inputs import Cancel
from perdure.engine.core.lifecycle import attempt, complete, signals
from perdure.engine.core.lifecycle.refusal import refusal
from perdure.engine.core.model import CANCELLED, Status
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import SIGNAL_CANCEL


def apply(event: Cancel, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for Cancel."""
    refused = refusal(event.id, tx)
    actions = [] if refused else cancel(event.id, tx, now_ms)
    if event.request is None:
        return actions
    ended = any(isinstance(action, Complete) and action.id == event.id for action in actions)
    return [*actions, Reply(event.request, error=refused, already=ended)]


def cancel(invocation_id: str, tx: Transaction, now_ms: int) -> list[Action]:
    """Send the signal. What has not started ends at once; what backs off or is paused wakes to hear it."""
    invocation = tx.invocation(invocation_id)
    if invocation is None or invocation.status is Status.COMPLETED:
        return []
    if invocation.status in (Status.SCHEDULED, Status.PENDING):
        return complete.with_result(invocation, CANCELLED, tx, now_ms)
    actions = signals.deliver(invocation_id, SIGNAL_CANCEL, None, tx, now_ms)
    if invocation.status in (Status.BACKING_OFF, Status.PAUSED):
        actions += attempt.start(invocation, tx, now_ms)
    return actions
