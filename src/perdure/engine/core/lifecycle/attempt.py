"""Start an attempt, and deliver notifications to whoever is there to get them."""

from __future__ import annotations

from dataclasses import replace

from perdure.engine.core.actions import Action, Deliver, StartAttempt
from perdure.engine.core.await_point import is_unblocked, outcomes
from perdure.engine.core.model import Entry, Invocation, Status
from perdure.engine.core.transaction import Transaction
from perdure.protocol.proto import service_protocol_pb2 as pb


def start(invocation: Invocation, tx: Transaction, now_ms: int) -> list[Action]:
    """Give the invocation its next attempt. The number fences off what an older one still sends."""
    started = replace(
        invocation,
        status=Status.RUNNING,
        attempt=invocation.attempt + 1,
        deployment_id=invocation.deployment_id or tx.deployment_of(invocation.target.service),
        awaiting_on=None,
        next_retry_at_ms=None,
        modified_at_ms=now_ms,
        first_start_at_ms=now_ms if invocation.first_start_at_ms is None else invocation.first_start_at_ms,
        last_start_at_ms=now_ms,
    )
    tx.put_invocation(started)
    return [StartAttempt(started.id, started.attempt)]


def notify(
    invocation_id: str, message_type: int, payload: bytes, tx: Transaction, now_ms: int
) -> list[Action]:
    """Journal a notification. A running attempt gets it; a suspended one starts when it unblocks.

    The order of these entries is the order of delivery, live and on every replay: the single writer makes
    it so. One for an invocation that is gone or complete has nobody left to hear it.
    """
    invocation = tx.invocation(invocation_id)
    if invocation is None or invocation.status is Status.COMPLETED:
        return []
    index = tx.journal_length(invocation_id)
    tx.append(invocation_id, Entry(message_type, payload, now_ms))
    if invocation.status is Status.RUNNING:
        return [Deliver(invocation_id, message_type, payload, index)]
    if invocation.status is Status.SUSPENDED and can_go_on(invocation, tx):
        return start(invocation, tx, now_ms)
    return []


def can_go_on(invocation: Invocation, tx: Transaction) -> bool:
    """Does the journal of a suspended invocation unblock its await point?"""
    awaiting_on = pb.Future.FromString(invocation.awaiting_on or b"")
    return is_unblocked(awaiting_on, outcomes(tx.journal(invocation.id)))
