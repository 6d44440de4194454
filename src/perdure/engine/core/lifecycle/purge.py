"""Forget a completed invocation; and with a workflow's run, all that the workflow kept."""

from __future__ import annotations

from perdure.engine.core.actions import Action, Reply
from perdure.engine.core.inputs import Purge
from perdure.engine.core.lifecycle import invoke
from perdure.engine.core.lifecycle.refusal import unknown
from perdure.engine.core.model import Invocation, Status
from perdure.engine.core.transaction import Transaction


def apply(event: Purge, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for Purge."""
    invocation = tx.invocation(event.id)
    refused: tuple[int, str] | None = None
    actions: list[Action] = []
    if invocation is None:
        refused = unknown(event.id)
    elif invocation.status is not Status.COMPLETED:
        refused = 409, f"invocation '{event.id}' has not completed: cancel or kill it before you purge it"
    elif event.journal_only:
        tx.delete_journal(event.id)
    else:
        actions = purge(invocation, tx)
    return actions if event.request is None else [*actions, Reply(event.request, error=refused)]


def purge(invocation: Invocation, tx: Transaction) -> list[Action]:
    """Delete it with its journal. A workflow's key is free again afterwards."""
    target = invocation.target
    if invoke.is_workflow_run(target, tx):
        tx.states.clear_all(target.service, target.key)
        tx.promises.delete_all(target.service, target.key)
    tx.delete_invocation(invocation.id)
    return []
