"""Pause: stop an invocation where it is. What completes meanwhile is journaled, and wakes nobody."""

from __future__ import annotations

from dataclasses import replace

from perdure.engine.core.actions import AbortAttempt, Action, Reply
from perdure.engine.core.inputs import Pause
from perdure.engine.core.lifecycle.refusal import unknown
from perdure.engine.core.model import Invocation, Status
from perdure.engine.core.transaction import Transaction


def apply(event: Pause, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for Pause. Its object stays locked: it is still the one that runs there."""
    invocation = tx.invocation(event.id)
    actions: list[Action] = []
    reply = Reply(event.request)
    if invocation is None:
        reply = Reply(event.request, error=unknown(event.id))
    elif invocation.status is Status.PAUSED:
        reply = Reply(event.request, already=True)
    elif invocation.status in (Status.RUNNING, Status.SUSPENDED, Status.BACKING_OFF):
        actions = _pause(invocation, tx, now_ms)
    else:
        reason = f"invocation '{event.id}' is {invocation.status}: only one that runs can be paused"
        reply = Reply(event.request, error=(409, reason))
    return actions if event.request is None else [*actions, reply]


def _pause(invocation: Invocation, tx: Transaction, now_ms: int) -> list[Action]:
    """The timer of a back-off stays in its table: it finds nobody who waits for it."""
    paused = replace(
        invocation,
        status=Status.PAUSED,
        awaiting_on=None,  # the next attempt replays the journal, and says anew what it waits for
        next_retry_at_ms=None,
        modified_at_ms=now_ms,
    )
    tx.put_invocation(paused)
    return [AbortAttempt(invocation.id)]
