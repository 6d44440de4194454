"""Forget a completed invocation; and with a workflow's run, all that the workflow kept."""

from __future__ import annotations

from perdure.engine.core.actions import Action
from perdure.engine.core.lifecycle import invoke
from perdure.engine.core.model import Invocation
from perdure.engine.core.transaction import Transaction


def purge(invocation: Invocation, tx: Transaction) -> list[Action]:
    """Delete it with its journal. A workflow's key is free again afterwards."""
    target = invocation.target
    if invoke.is_workflow_run(target, tx):
        tx.states.clear_all(target.service, target.key)
        tx.promises.delete_all(target.service, target.key)
    tx.delete_invocation(invocation.id)
    return []
