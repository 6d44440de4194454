"""What to do once the transaction is on disk. Losing all of them in a crash loses nothing: the rows tell
what is still to be done (`Recover`, the timer table)."""

from __future__ import annotations

from dataclasses import dataclass

from perdure.engine.core.model import Result, Timer
from perdure.protocol.session import RunProposed


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """Open a conversation with the handler, and replay the journal to it."""

    id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class AbortAttempt:
    """Cut the conversation, if there is one."""

    id: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send a notification that is now in the journal, at `index`. An attempt that was started later in the
    same transaction has it already: it replays the journal as the commit left it."""

    id: str
    type: int
    payload: bytes
    index: int


@dataclass(frozen=True, slots=True)
class ConfirmRun:
    """Tell the handler that the result it proposed is now in the journal."""

    id: str
    proposed: RunProposed


@dataclass(frozen=True, slots=True)
class SetTimer:
    """A timer is now in the store: wake up in time for it."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class Published:
    """A stream of an invocation has grown: wake those who read it."""

    id: str
    stream: str


@dataclass(frozen=True, slots=True)
class Complete:
    """The invocation has its result: answer those who wait for it outside the engine."""

    id: str
    result: Result


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer the asker of an input. `error` is (HTTP status, message).

    `created` is for Invoke alone, `count` for a Publish that has a gap: how many events of its attempt there
    are. `already`: nothing is left to wait for (it was paused before, or ended
    before it had started).
    """

    request: object
    created: bool = False
    error: tuple[int, str] | None = None
    already: bool = False
    count: int | None = None


Action = StartAttempt | AbortAttempt | Deliver | ConfirmRun | SetTimer | Published | Complete | Reply
