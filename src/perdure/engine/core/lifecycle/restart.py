"""Restart as new: run a completed invocation again, from its input or from a prefix of its journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from perdure.engine.core.actions import Action, Reply
from perdure.engine.core.inputs import Restart
from perdure.engine.core.lifecycle import admission
from perdure.engine.core.lifecycle.refusal import unknown
from perdure.engine.core.model import Entry, Invocation, Status
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import decode_message, is_notification


class _Refused(Exception):
    """`args` are (HTTP status, message)."""


def apply(event: Restart, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for Restart."""
    try:
        actions = _restart(event, tx, now_ms)
        reply = Reply(event.request, created=True)
    except _Refused as refused:
        actions, reply = [], Reply(event.request, error=refused.args)
    return actions if event.request is None else [*actions, reply]


def _restart(event: Restart, tx: Transaction, now_ms: int) -> list[Action]:
    old = _restartable(event.id, tx)
    journal = tx.journal(event.id)
    if not journal:
        raise _Refused(410, f"the journal of invocation '{event.id}' is gone, and with it the input")
    if not 0 <= event.through_index < len(journal):
        raise _Refused(
            400, f"the journal of '{event.id}' has no entry {event.through_index}: it has {len(journal)}"
        )
    prefix = list(_prefix(journal, event.through_index))  # all of it, or a refusal
    new = Invocation(
        id=event.new_id,
        target=old.target,
        status=Status.SCHEDULED,
        created_at_ms=now_ms,
        modified_at_ms=now_ms,
        deployment_id=event.deployment_id or old.deployment_id,
        exclusive=old.exclusive,
        restarted_from=old.id,
        # What the prefix recorded was decided with the old one's random numbers.
        seed_id=(old.seed_id or old.id) if event.through_index > 0 else None,
        scope=old.scope,
        limit_key=old.limit_key,
    )
    tx.put_invocation(new)  # first: what entries tell is understood by whose journal they are a copy of
    for entry in prefix:
        tx.append(new.id, entry)
    return admission.admit(new, tx, now_ms)


def _restartable(invocation_id: str, tx: Transaction) -> Invocation:
    old = tx.invocation(invocation_id)
    if old is None:
        raise _Refused(*unknown(invocation_id))
    if old.status in (Status.SCHEDULED, Status.PENDING):
        raise _Refused(425, f"invocation '{invocation_id}' has not started yet, so it cannot be restarted")
    if old.status is not Status.COMPLETED:
        raise _Refused(
            409, f"invocation '{invocation_id}' has not completed: it can be restarted when it has"
        )
    if tx.service_kind(old.target.service) == "WORKFLOW":
        raise _Refused(
            422, f"'{invocation_id}' belongs to a workflow, which runs once: it cannot be restarted"
        )
    return old


def _prefix(journal: Sequence[Entry], through_index: int) -> Iterator[Entry]:
    """The entries up to the index, then those completions of their commands that came later.

    A command without its completion would be waited for in vain: what completes it (a timer, a callee)
    belongs to the old invocation.
    """
    missing: set[int] = set()
    for index, (kind, payload, at_ms) in enumerate(journal):
        message = decode_message(kind, payload)
        if is_notification(kind):
            completes = message.completion_id if message.WhichOneof("id") == "completion_id" else None
            if index > through_index and completes not in missing:
                continue
            missing.discard(completes)
        elif index > through_index:
            continue
        else:
            missing.update(_completion_ids(message))
        yield Entry(kind, payload, at_ms)
    if missing:
        raise _Refused(
            400, "the journal's prefix has a command that had not completed: choose an earlier entry"
        )


def _completion_ids(command: object) -> Iterator[int]:
    for name in ("result_completion_id", "invocation_id_notification_idx"):
        if completion_id := getattr(command, name, 0):
            yield completion_id
