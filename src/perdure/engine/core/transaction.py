"""What the rules need of a store, while one transaction is open.

Implemented by SQLite (`engine.storage`) and by a memory twin for tests; `tests/contract` holds both to
the same suite.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from perdure.engine.core.model import Entry, Invocation, Timer, Waiter
from perdure.protocol.discovery import HandlerManifest


class Transaction(Protocol):
    """Reads see the writes before them. Nothing lasts until the owner commits."""

    def invocation(self, invocation_id: str) -> Invocation | None: ...

    def put_invocation(self, invocation: Invocation) -> None:
        """Insert, or replace the one with the same id."""

    def delete_invocation(self, invocation_id: str) -> None:
        """Delete it with its journal, timers and waiters."""

    def append(self, invocation_id: str, entry: Entry) -> None:
        """Add an entry at the journal's end."""

    def journal(self, invocation_id: str) -> list[Entry]:
        """All entries, in order."""

    def journal_length(self, invocation_id: str) -> int: ...

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

    def deployment_of(self, service: str) -> str | None:
        """Id of the newest deployment that serves it."""
