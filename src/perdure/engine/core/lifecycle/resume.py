"""Go on: by a person's wish, by a signal from outside, or because the engine has started again."""

from __future__ import annotations

from dataclasses import replace

from perdure.engine.core.actions import Action, Reply
from perdure.engine.core.inputs import Recover, Resume, Signal
from perdure.engine.core.lifecycle import attempt, signals
from perdure.engine.core.lifecycle.refusal import refusal
from perdure.engine.core.model import Status
from perdure.engine.core.transaction import Transaction


def apply(event: Resume, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for Resume: the next attempt starts now, with its retries counted anew."""
    refused = refusal(event.id, tx)
    actions: list[Action] = []
    invocation = tx.invocation(event.id)
    if invocation and invocation.status in (Status.PAUSED, Status.BACKING_OFF, Status.SUSPENDED):
        deployment_id = event.deployment_id or invocation.deployment_id
        again = replace(invocation, retry_count=0, deployment_id=deployment_id)
        actions = attempt.start(again, tx, now_ms)
    elif invocation and invocation.status in (Status.SCHEDULED, Status.PENDING):
        refused = 425, f"invocation '{event.id}' has not started yet, so it cannot be resumed"
    elif invocation and invocation.status is Status.RUNNING and event.deployment_id is not None:
        refused = 409, f"invocation '{event.id}' is running: pause it before you move it to a deployment"
    return actions if event.request is None else [*actions, Reply(event.request, error=refused)]


def apply_signal(event: Signal, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for Signal. A second result for the same awakeable is accepted and changes nothing."""
    invocation = tx.invocation(event.id)
    actions = signals.deliver(event.id, event.signal, event.result, tx, now_ms) if invocation else []
    if event.request is None:
        return actions
    unknown = None if invocation else (404, f"invocation '{event.id}' not found")
    return [*actions, Reply(event.request, error=unknown)]


def apply_recover(event: Recover, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for Recover: what was running runs again, and nobody waits out a back-off twice."""
    invocation = tx.invocation(event.id)
    if invocation and invocation.status in (Status.RUNNING, Status.BACKING_OFF):
        return attempt.start(invocation, tx, now_ms)
    return []
