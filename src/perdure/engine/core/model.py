"""What the engine remembers: frozen values, replaced and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

TIME_MS_MAX = 253_402_300_799_999
"""The end of the year 9999. A later time on the wire (they have 64 bits there) is taken as this one: no
later one is a date, and beyond 63 bits the store has no place for it."""


class Status(StrEnum):
    """Where an invocation stands.

    scheduled ──▶ pending ──▶ running ◀──▶ suspended     waits for a notification, holds no memory
                              │  ▲ ▲
                              │  │ └─────▶ backing-off   an attempt failed, the next one has a time
                              │  └───────▶ paused        attempts are exhausted; a person must resume it
                              ▼
                          completed                      from any of these

    Pending is in the inbox of a virtual object that another invocation holds.
    """

    SCHEDULED = "scheduled"
    PENDING = "pending"
    RUNNING = "running"
    SUSPENDED = "suspended"
    BACKING_OFF = "backing-off"
    PAUSED = "paused"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Target:
    """What is invoked. `key` is '' but for virtual objects and workflows."""

    service: str
    handler: str
    key: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.service, self.key, self.handler) if part)


@dataclass(frozen=True, slots=True)
class Success:
    """An invocation's value, as the handler serialised it."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """A terminal failure. `code` is an HTTP status."""

    code: int
    message: str
    metadata: tuple[tuple[str, str], ...] = ()


Result = Success | Failure

KILLED = Failure(409, "killed")
CANCELLED = Failure(409, "cancelled")


class Entry(NamedTuple):
    """One journal entry, as it came over the wire. Its index is its place in the journal."""

    type: int
    payload: bytes
    appended_at_ms: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the last attempt failed, and at which journal command, as far as the handler said."""

    code: int
    message: str
    stacktrace: str = ""
    command_index: int | None = None
    command_name: str | None = None
    command_type: int | None = None


class AttemptFailure(NamedTuple):
    """A failed attempt, for those who look. `journal_length` is how far the journal had grown by then."""

    problem: Problem
    journal_length: int
    failed_at_ms: int


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation, without its journal. Times are milliseconds since the epoch."""

    id: str
    target: Target
    status: Status
    created_at_ms: int
    modified_at_ms: int
    attempt: int = 0
    """Number of the latest attempt. What an older one still says is ignored."""
    deployment_id: str | None = None
    idempotency_key: str | None = None
    caller_id: str | None = None
    scheduled_at_ms: int | None = None
    awaiting_on: bytes | None = None
    """While suspended: the serialised Future of the service protocol."""
    retry_count: int = 0
    """Failed attempts since the journal last grew."""
    failed_at_length: int = 0
    next_retry_at_ms: int | None = None
    problem: Problem | None = None
    result: Result | None = None
    completed_at_ms: int | None = None
    exclusive: bool = False
    """It runs alone on its virtual object."""
    restarted_from: str | None = None
    """The invocation that this one runs again."""
    seed_id: str | None = None
    """Whose random numbers it draws, when it replays the journal of another one; None: its own."""
    first_start_at_ms: int | None = None
    last_start_at_ms: int | None = None
    """When its first attempt started, and its latest."""
    scope: str | None = None
    """A part of what makes it the same request, beside its target and key."""
    limit_key: str | None = None
    """Whose share of the scope it uses. It is handed on and shown; this engine enforces no limit by it."""
    traceparent: str | None = None
    """The span that asked for it, as W3C Trace Context writes it; None: it begins a trace of its own."""


class TimerKind(StrEnum):
    """What a timer does when it fires."""

    SLEEP = "sleep"
    START = "start"
    RETRY = "retry"
    PURGE = "purge"


class Timer(NamedTuple):
    """A durable timer. `completion_id` is the sleep's, and 0 for the other kinds."""

    at_ms: int
    kind: TimerKind
    invocation_id: str
    completion_id: int = 0


class WaiterKind(StrEnum):
    """Why an invocation waits for another's result; a callee dies with its caller."""

    CALL = "call"
    ATTACH = "attach"


class Waiter(NamedTuple):
    """`waiter_id` gets completion `completion_id` when `invocation_id` completes."""

    invocation_id: str
    waiter_id: str
    completion_id: int
    kind: WaiterKind
