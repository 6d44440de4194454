"""What the rules need of a store, while one transaction is open.

Implemented by SQLite (`engine.storage`) and by a memory twin for tests; `tests/contract` holds both to
the same suite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from perdure.engine.core.model import AttemptFailure, Entry, Invocation, Result, Timer, Waiter
from perdure.protocol.discovery import HandlerManifest
from perdure.streams.append import SourceState
from perdure.streams.events import StreamEvent

FAILURES_MAX = 20
"""So many failed attempts of an invocation are kept."""


class Inboxes(Protocol):
    """Who holds a virtual object, and who waits for it, in order of arrival."""

    def holder(self, service: str, key: str) -> str | None: ...

    def lock(self, service: str, key: str, invocation_id: str) -> None: ...

    def unlock(self, service: str, key: str) -> None: ...

    def enqueue(self, service: str, key: str, invocation_id: str) -> None: ...

    def dequeue(self, service: str, key: str) -> str | None:
        """Remove and return the first that waits."""

    def leave(self, invocation_id: str) -> None:
        """Remove one from wherever it waits."""


class States(Protocol):
    """The key-value state of virtual objects and workflows. Names and values are bytes."""

    def get(self, service: str, key: str, name: bytes) -> bytes | None: ...

    def all(self, service: str, key: str) -> dict[bytes, bytes]: ...

    def names(self, service: str, key: str) -> list[bytes]: ...

    def size_bytes(self, service: str, key: str) -> int:
        """Of all names and values together."""

    def set(self, service: str, key: str, name: bytes, value: bytes) -> None: ...

    def clear(self, service: str, key: str, name: bytes) -> None: ...

    def clear_all(self, service: str, key: str) -> None: ...


class Promises(Protocol):
    """The durable promises of workflows."""

    def get(self, service: str, key: str, name: str) -> Result | None: ...

    def complete(self, service: str, key: str, name: str, result: Result) -> None: ...

    def add_waiter(
        self, service: str, key: str, name: str, invocation_id: str, completion_id: int
    ) -> None: ...

    def take_waiters(self, service: str, key: str, name: str) -> list[tuple[str, int]]:
        """Remove and return (invocation id, completion id) of those who wait."""

    def delete_all(self, service: str, key: str) -> None: ...

    def forget_waiter(self, invocation_id: str) -> None:
        """This invocation waits for no promise any more."""


STREAM_READ_BYTES = 32 * 1024
"""Of payloads that are read at once: it is what a reader holds whose socket takes no more."""


class Streams(Protocol):
    """The events that invocations publish, by stream name. The rule is `perdure.streams.append`."""

    def length(self, invocation_id: str, stream: str) -> int:
        """How many events it has, which is the index of the next one."""

    def source(self, invocation_id: str, stream: str, source: str) -> SourceState | None: ...

    def add(
        self, invocation_id: str, stream: str, source: str, state: SourceState, events: Sequence[StreamEvent]
    ) -> None:
        """Append events, and remember how far their source has come."""

    def read(self, invocation_id: str, stream: str, start: int, count: int) -> list[StreamEvent]:
        """At most `count` events from index `start` on: fewer, but one at least, beyond STREAM_READ_BYTES."""

    def delete_all(self, invocation_id: str) -> None: ...


class Transaction(Protocol):
    """Reads see the writes before them. Nothing lasts until the owner commits."""

    @property
    def inboxes(self) -> Inboxes: ...

    @property
    def states(self) -> States: ...

    @property
    def promises(self) -> Promises: ...

    @property
    def streams(self) -> Streams: ...

    def invocation(self, invocation_id: str) -> Invocation | None: ...

    def put_invocation(self, invocation: Invocation) -> None:
        """Insert, or replace the one with the same id: it has the same target, creation, idempotency key."""

    def delete_invocation(self, invocation_id: str) -> None:
        """Delete it with its journal, streams, timers and waiters."""

    def append(self, invocation_id: str, entry: Entry) -> None:
        """Add an entry at the journal's end."""

    def journal(self, invocation_id: str) -> list[Entry]:
        """All entries, in order."""

    def journal_length(self, invocation_id: str) -> int: ...

    def delete_journal(self, invocation_id: str) -> None:
        """Delete all entries; the invocation stays."""

    def add_failure(self, invocation_id: str, failure: AttemptFailure) -> None:
        """Keep it until the invocation is deleted; FAILURES_MAX of one invocation, the newest."""

    def failures(self, invocation_id: str) -> list[AttemptFailure]:
        """Those that are kept, oldest first."""

    def add_timer(self, timer: Timer) -> None: ...

    def remove_timer(self, timer: Timer) -> bool:
        """False when there is no such timer any more: it was cancelled after it fell due."""

    def remove_timers(self, invocation_id: str) -> None:
        """Remove all timers of an invocation."""

    def add_waiter(self, waiter: Waiter) -> None: ...

    def take_waiters(self, invocation_id: str) -> Iterable[Waiter]:
        """Remove and return those who wait for this invocation's result, ordered by id and completion."""

    def awaited_by(self, waiter_id: str) -> Iterable[Waiter]:
        """What an invocation waits for."""

    def handler(self, service: str, handler: str) -> HandlerManifest | None:
        """The handler in the newest deployment of its service."""

    def service_kind(self, service: str) -> str | None:
        """SERVICE, VIRTUAL_OBJECT or WORKFLOW, as the newest deployment has it."""

    def deployment_of(self, service: str) -> str | None:
        """Id of the deployment that takes its new invocations."""
