"""Kill: end an invocation at once, and with it what it called and still waits for."""

from __future__ import annotations

from perdure.engine.core.actions import AbortAttempt, Action, Reply
from perdure.engine.core.inputs import Kill
from perdure.engine.core.lifecycle import complete
from perdure.engine.core.lifecycle.refusal import refusal
from perdure.engine.core.model import KILLED, Status, WaiterKind
from perdure.engine.core.transaction import Transaction


def apply(event: Kill, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for Kill."""
    refused = refusal(event.id, tx)
    actions = [] if refused else _kill(event.id, tx, now_ms)
    return actions if event.request is None else [*actions, Reply(event.request, error=refused)]


def _kill(invocation_id: str, tx: Transaction, now_ms: int) -> list[Action]:
    """The caller completes before its callees: their results then find nobody to wake."""
    actions: list[Action] = []
    doomed = [invocation_id]
    while doomed:
        invocation = tx.invocation(doomed.pop())
        if invocation is None or invocation.status is Status.COMPLETED:
            continue
        doomed += [w.invocation_id for w in tx.awaited_by(invocation.id) if w.kind is WaiterKind.CALL]
        actions.append(AbortAttempt(invocation.id))
        actions += complete.with_result(invocation, KILLED, tx, now_ms)
    return actions
