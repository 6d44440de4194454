"""An attempt ended because all it can do is wait."""

from __future__ import annotations

from dataclasses import replace

from perdure.engine.core.actions import Action
from perdure.engine.core.lifecycle import attempt
from perdure.engine.core.model import Invocation, Status
from perdure.engine.core.transaction import Transaction


def apply(invocation: Invocation, awaiting_on: bytes, tx: Transaction, now_ms: int) -> list[Action]:
    """Suspend; or go on at once, when what it waits for was journaled while it was saying so."""
    suspended = replace(invocation, status=Status.SUSPENDED, awaiting_on=awaiting_on, modified_at_ms=now_ms)
    if attempt.can_go_on(suspended, tx):
        return attempt.start(suspended, tx, now_ms)
    tx.put_invocation(suspended)
    return []
