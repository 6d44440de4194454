"""Deliver a signal to an invocation."""

from __future__ import annotations

from perdure.engine.core.actions import Action
from perdure.engine.core.await_point import outcomes
from perdure.engine.core.lifecycle import attempt
from perdure.engine.core.model import Result
from perdure.engine.core.results import notification
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import MessageType


def deliver(
    invocation_id: str, signal: int | str, result: Result | None, tx: Transaction, now_ms: int
) -> list[Action]:
    """Journal the signal and pass it on. An index (an awakeable) is heard once: the first result stands."""
    if isinstance(signal, int) and ("signal_id", signal) in outcomes(tx.journal(invocation_id)):
        return []
    payload = notification(signal, result, signal=True)
    return attempt.notify(invocation_id, MessageType.SIGNAL, payload, tx, now_ms)
