"""Who may run on a virtual object: one exclusive handler at a time, in order of arrival, across restarts."""

from __future__ import annotations

from dataclasses import replace

from perdure.engine.core.actions import Action
from perdure.engine.core.lifecycle import attempt
from perdure.engine.core.model import Invocation, Status
from perdure.engine.core.transaction import Transaction


def admit(invocation: Invocation, tx: Transaction, now_ms: int) -> list[Action]:
    """Start an invocation that is ready; or queue it, when another one holds its object."""
    if not invocation.exclusive:
        return attempt.start(invocation, tx, now_ms)
    service, key = invocation.target.service, invocation.target.key
    if tx.inboxes.holder(service, key) is not None:
        tx.inboxes.enqueue(service, key, invocation.id)
        tx.put_invocation(replace(invocation, status=Status.PENDING, modified_at_ms=now_ms))
        return []
    tx.inboxes.lock(service, key, invocation.id)
    return attempt.start(invocation, tx, now_ms)


def release(completed: Invocation, tx: Transaction, now_ms: int) -> list[Action]:
    """An invocation has completed: if it held its object, the next in line gets it."""
    if not completed.exclusive:
        return []
    service, key = completed.target.service, completed.target.key
    if tx.inboxes.holder(service, key) != completed.id:
        tx.inboxes.leave(completed.id)
        return []
    next_id = tx.inboxes.dequeue(service, key)
    following = tx.invocation(next_id) if next_id is not None else None
    if following is None:
        tx.inboxes.unlock(service, key)
        return []
    tx.inboxes.lock(service, key, following.id)
    return attempt.start(following, tx, now_ms)
