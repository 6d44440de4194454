"""Tables `lock` and `inbox`: which invocation holds a virtual object, and who waits for it."""

from __future__ import annotations

import sqlite3

_NEXT = "SELECT sequence, invocation_id FROM inbox WHERE service = ? AND key = ? ORDER BY sequence LIMIT 1"


class Inboxes:
    """Reads and writes of both tables. Implements `engine.core.transaction.Inboxes`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def holder(self, service: str, key: str) -> str | None:
        query = "SELECT invocation_id FROM lock WHERE service = ? AND key = ?"
        row = self._connection.execute(query, (service, key)).fetchone()
        return row[0] if row else None

    def lock(self, service: str, key: str, invocation_id: str) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO lock VALUES (?, ?, ?)", (service, key, invocation_id)
        )

    def unlock(self, service: str, key: str) -> None:
        self._connection.execute("DELETE FROM lock WHERE service = ? AND key = ?", (service, key))

    def enqueue(self, service: str, key: str, invocation_id: str) -> None:
        self._connection.execute(
            "INSERT INTO inbox (service, key, invocation_id) VALUES (?, ?, ?)",
            (service, key, invocation_id),
        )

    def dequeue(self, service: str, key: str) -> str | None:
        row = self._connection.execute(_NEXT, (service, key)).fetchone()
        if row is None:
            return None
        self._connection.execute("DELETE FROM inbox WHERE sequence = ?", (row[0],))
        return str(row[1])

    def leave(self, invocation_id: str) -> None:
        self._connection.execute("DELETE FROM inbox WHERE invocation_id = ?", (invocation_id,))
