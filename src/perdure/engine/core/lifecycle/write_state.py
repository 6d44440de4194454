"""Replace the state of a virtual object or workflow from outside."""

from __future__ import annotations

from perdure.engine.core.actions import Action, Reply
from perdure.engine.core.inputs import WriteState
from perdure.engine.core.transaction import Transaction
from perdure.protocol.state_version import version_of


def apply(event: WriteState, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for WriteState.

    Refused while a handler has the object: it may have read what is replaced, and will write what it made of
    it. restate-server puts such a write into the object's inbox, where a version that has changed by then is
    passed over in silence; who edits state by hand should hear of it.
    """
    error: tuple[int, str] | None = None
    holder = tx.inboxes.holder(event.service, event.key)
    if holder is not None:
        error = (
            409,
            f"{event.service}/{event.key} is in use by invocation '{holder}': write when it has completed",
        )
    elif event.version is not None and event.version != version_of(tx.states.all(event.service, event.key)):
        error = 409, f"the state of {event.service}/{event.key} has changed since it was read: read it again"
    else:
        tx.states.clear_all(event.service, event.key)
        for name, value in event.state.items():
            tx.states.set(event.service, event.key, name, value)
    return [] if event.request is None else [Reply(event.request, error=error)]
