"""Why a verb cannot be applied to an invocation."""

from __future__ import annotations

from perdure.engine.core.model import Status
from perdure.engine.core.transaction import Transaction


def refusal(invocation_id: str, tx: Transaction) -> tuple[int, str] | None:
    """(HTTP status, message) when the invocation is unknown or has completed; None when it lives."""
    invocation = tx.invocation(invocation_id)
    if invocation is None:
        return 404, f"invocation '{invocation_id}' not found"
    if invocation.status is Status.COMPLETED:
        return 409, f"invocation '{invocation_id}' has completed already"
    return None
