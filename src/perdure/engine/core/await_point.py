"""Is a suspended invocation's await point unblocked by the notifications it has?

The await point is a tree: leaves are notification ids, inner nodes are combinators. A node is pending, or
it has succeeded or failed for good, with the notification that decided it; which of two came first may
matter to the node above. An UNKNOWN node is one whose meaning only user code knows (a mapped
promise, say): code may have to run before anything else can complete, so one settled child of it unblocks
the whole tree, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from perdure.engine.core.model import Entry
from perdure.protocol.messages import is_notification
from perdure.protocol.proto import service_protocol_pb2 as pb

NotificationId = tuple[str, int | str]
Outcomes = Mapping[NotificationId, bool]
"""For each notification, in the order of the journal: did it bring a success?"""


class _Settled(NamedTuple):
    at: int  # place among the notifications of the one that decided
    success: bool


_Known = Mapping[NotificationId, _Settled]


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
    placed = {name: _Settled(at, success) for at, (name, success) in enumerate(known.items())}
    return _settled(future, placed) is not None or _code_may_run(future, placed)


def _code_may_run(future: pb.Future, known: _Known) -> bool:
    if future.combinator_type == pb.UNKNOWN and any(c is not None for c in _children(future, known)):
        return True
    return any(_code_may_run(nested, known) for nested in future.nested_futures)


def _children(future: pb.Future, known: _Known) -> list[_Settled | None]:
    return [
        *(known.get(("completion_id", n)) for n in future.waiting_completions),
        *(known.get(("signal_id", n)) for n in future.waiting_signals),
        *(known.get(("signal_name", n)) for n in future.waiting_named_signals),
        *(_settled(nested, known) for nested in future.nested_futures),
    ]


def _settled(future: pb.Future, known: _Known) -> _Settled | None:
    children = _children(future, known)
    done = sorted(child for child in children if child is not None)  # the earliest first
    all_done = len(done) == len(children)
    last = done[-1].at if done else -1
    match future.combinator_type:
        case pb.ALL_COMPLETED:
            return _Settled(last, True) if all_done else None
        case pb.FIRST_SUCCEEDED_OR_ALL_FAILED:
            first = next((child for child in done if child.success), None)
            return first or (_Settled(last, False) if all_done else None)
        case pb.ALL_SUCCEEDED_OR_FIRST_FAILED:
            first = next((child for child in done if not child.success), None)
            return first or (_Settled(last, True) if all_done else None)
        case _:  # FIRST_COMPLETED, UNKNOWN
            return done[0] if done else None
