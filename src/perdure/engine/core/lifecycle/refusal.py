"""Why a verb cannot be applied to an invocation."""

from __future__ import annotations

from perdure.engine.core.model import Status
from perdure.engine.core.transaction import Transaction


def unknown(invocation_id: str) -> tuple[int, str]:
    """(HTTP status, message) for an invocation that is not there."""
    return 404, f"invocation '{invocation_id}' not found"


def refusal(invocation_id: str, tx: Transaction) -> tuple[int, str] | None:
    """(HTTP status, message) when the invocation is unknown or has completed; None when it lives."""
    invocation = tx.invocation(invocation_id)
    if invocation is None:
        return unknown(invocation_id)
    if invocation.status is Status.COMPLETED:
        return 409, f"invocation '{invocation_id}' has completed already"
    return None
