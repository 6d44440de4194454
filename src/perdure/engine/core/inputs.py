"""Everything that can happen to the engine.

`request` is the asker's own token, given back in a Reply action; None when nobody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perdure.engine.core.model import Result, Target, Timer
from perdure.protocol.session import Event
from perdure.streams.append import Batch


@dataclass(frozen=True, slots=True)
class Invoke:
    """A request for a new invocation, or for one that exists when the id is an idempotent one."""

    id: str
    target: Target
    parameter: bytes
    headers: tuple[tuple[str, str], ...] = ()
    idempotency_key: str | None = None
    execute_at_ms: int | None = None
    request: object = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What a running attempt said, in order."""

    id: str
    attempt: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Publish:
    """Events for a stream of an invocation, from its attempt of that number."""

    id: str
    attempt: int
    stream: str
    batch: Batch
    request: object = None


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer is due."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal from outside: an awakeable resolved or rejected (by index), or a named signal.

    `result` None stands for void.
    """

    id: str
    signal: int | str
    result: Result | None
    request: object = None


@dataclass(frozen=True, slots=True)
class CompletePromise:
    """A durable promise of a workflow, resolved or rejected from outside."""

    service: str
    key: str
    name: str
    result: Result
    request: object = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask an invocation to end itself, by a signal its code can react to."""

    id: str
    request: object = None


@dataclass(frozen=True, slots=True)
class Kill:
    """End an invocation and its callees at once, without asking their code."""

    id: str
    request: object = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop where it is, until a person resumes it."""

    id: str
    request: object = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on now: a paused, suspended or backing-off invocation starts its next attempt.

    `deployment_id` pins it to another deployment first; None keeps its own.
    """

    id: str
    request: object = None
    deployment_id: str | None = None


@dataclass(frozen=True, slots=True)
class Purge:
    """Forget a completed invocation; or its journal only, and keep its result."""

    id: str
    journal_only: bool = False
    request: object = None


@dataclass(frozen=True, slots=True)
class Restart:
    """Run a completed invocation again, as a new one.

    The new one begins with the entries 0 to `through_index` of the old journal, and the completions of their
    commands; 0 is its input alone. `deployment_id` None keeps the old one's deployment.
    """

    id: str
    new_id: str
    through_index: int = 0
    deployment_id: str | None = None
    request: object = None


@dataclass(frozen=True, slots=True)
class WriteState:
    """Replace the whole state of a virtual object or workflow, if `version` is still that of its state."""

    service: str
    key: str
    state: Mapping[bytes, bytes]
    version: str | None = None
    request: object = None


@dataclass(frozen=True, slots=True)
class Recover:
    """The engine has (re)started, or an attempt was lost without a word: start it again."""

    id: str


Input = (
    Invoke
    | Progress
    | Publish
    | TimerFired
    | Signal
    | CompletePromise
    | Cancel
    | Kill
    | Pause
    | Resume
    | Purge
    | Restart
    | WriteState
    | Recover
)
