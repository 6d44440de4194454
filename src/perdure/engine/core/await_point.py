"""Is a suspended invocation's await point unblocked by the notifications it has?

The await point is a tree: leaves are notification ids, inner nodes are combinators. A node is pending, or
it has succeeded or failed for good. An UNKNOWN node is one whose meaning only user code knows (a mapped
promise, say): code may have to run before anything else can complete, so one settled child of it unblocks
the whole tree, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from perdure.engine.core.model import Entry
from perdure.protocol.messages import is_notification
from perdure.protocol.proto import service_protocol_pb2 as pb

NotificationId = tuple[str, int | str]
Outcomes = Mapping[NotificationId, bool]
"""For each notification in the journal: did it bring a success?"""


def outcomes(journal: Iterable[Entry]) -> Outcomes:
    """What each notification of a journal brought."""
    found: dict[NotificationId, bool] = {}
    for entry in journal:
        if is_notification(entry.type):
            notification = pb.Notification.FromString(entry.payload)
            which = notification.WhichOneof("id") or ""
            found[which, getattr(notification, which)] = not notification.HasField("failure")
    return found


def is_unblocked(future: pb.Future, known: Outcomes) -> bool:
    """True when user code may be able to go on."""
    return _settled(future, known) is not None or _code_may_run(future, known)


def _code_may_run(future: pb.Future, known: Outcomes) -> bool:
    if future.combinator_type == pb.UNKNOWN and any(c is not None for c in _children(future, known)):
        return True
    return any(_code_may_run(nested, known) for nested in future.nested_futures)


def _children(future: pb.Future, known: Outcomes) -> list[bool | None]:
    return [
        *(known.get(("completion_id", n)) for n in future.waiting_completions),
        *(known.get(("signal_id", n)) for n in future.waiting_signals),
        *(known.get(("signal_name", n)) for n in future.waiting_named_signals),
        *(_settled(nested, known) for nested in future.nested_futures),
    ]


def _settled(future: pb.Future, known: Outcomes) -> bool | None:
    """True: succeeded. False: failed. None: pending."""
    children = _children(future, known)
    done = [child for child in children if child is not None]
    all_done = len(done) == len(children)
    match future.combinator_type:
        case pb.ALL_COMPLETED:
            return True if all_done else None
        case pb.FIRST_SUCCEEDED_OR_ALL_FAILED:
            return True if any(done) else (False if all_done else None)
        case pb.ALL_SUCCEEDED_OR_FIRST_FAILED:
            return False if not all(done) else (True if all_done else None)
        case _:  # FIRST_COMPLETED, UNKNOWN
            return done[0] if done else None
