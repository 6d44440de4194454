"""Table `waiter`: who waits inside the engine for whose result."""

from __future__ import annotations

import sqlite3

from perdure.engine.core.model import Waiter, WaiterKind

_ORDER = "ORDER BY invocation_id, waiter_id, completion_id"


class Waiters:
    """Reads and writes of the table."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, waiter: Waiter) -> None:
        self._connection.execute("INSERT OR IGNORE INTO waiter VALUES (?, ?, ?, ?)", waiter)

    def take(self, invocation_id: str) -> list[Waiter]:
        """Remove and return those who wait for this invocation."""
        found = self._select("invocation_id", invocation_id)
        if found:
            self._connection.execute("DELETE FROM waiter WHERE invocation_id = ?", (invocation_id,))
        return found

    def awaited_by(self, waiter_id: str) -> list[Waiter]:
        return self._select("waiter_id", waiter_id)

    def remove_all(self, invocation_id: str) -> None:
        self._connection.execute(
            "DELETE FROM waiter WHERE invocation_id = ?1 OR waiter_id = ?1", (invocation_id,)
        )

    def _select(self, column: str, value: str) -> list[Waiter]:
        query = (
            f"SELECT invocation_id, waiter_id, completion_id, kind FROM waiter WHERE {column} = ? {_ORDER}"
        )
        rows = self._connection.execute(query, (value,))
        return [
            Waiter(invocation, waiter, number, WaiterKind(kind)) for invocation, waiter, number, kind in rows
        ]
