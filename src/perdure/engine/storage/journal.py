"""Table `journal`. Entries are only ever appended, and deleted with their invocation."""

from __future__ import annotations

import sqlite3

from perdure.engine.core.model import Entry

_APPEND = "INSERT INTO journal VALUES (?, ?, ?, ?, ?)"
_READ = "SELECT type, payload, appended_at_ms FROM journal WHERE invocation_id = ? ORDER BY position"
_LENGTH = "SELECT coalesce(max(position) + 1, 0) FROM journal WHERE invocation_id = ?"
_NEWEST = "SELECT appended_at_ms FROM journal WHERE invocation_id = ? ORDER BY position DESC LIMIT 1"
_SIZE = "SELECT total(length(payload)) FROM journal WHERE invocation_id = ?"


class Journal:
    """Reads and writes of the table. The lengths of journals in use are kept in memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lengths: dict[str, int] = {}
        self.entries_appended = self.bytes_appended = 0
        """Since the file was opened."""

    def append(self, invocation_id: str, entry: Entry) -> None:
        position = self.length(invocation_id)
        self._connection.execute(
            _APPEND, (invocation_id, position, entry.type, entry.payload, entry.appended_at_ms)
        )
        self._lengths[invocation_id] = position + 1
        self.entries_appended += 1
        self.bytes_appended += len(entry.payload)

    def read(self, invocation_id: str) -> list[Entry]:
        return [Entry(*row) for row in self._connection.execute(_READ, (invocation_id,))]

    def length(self, invocation_id: str) -> int:
        length = self._lengths.get(invocation_id)
        if length is None:
            (length,) = self._connection.execute(_LENGTH, (invocation_id,)).fetchone()
        return int(length)

    def last_appended_at_ms(self, invocation_id: str) -> int | None:
        """When its newest entry came."""
        row = self._connection.execute(_NEWEST, (invocation_id,)).fetchone()
        return int(row[0]) if row else None

    def size_bytes(self, invocation_id: str) -> int:
        """Of all payloads together."""
        return int(self._connection.execute(_SIZE, (invocation_id,)).fetchone()[0])

    def delete(self, invocation_id: str) -> None:
        self._connection.execute("DELETE FROM journal WHERE invocation_id = ?", (invocation_id,))
        self._lengths.pop(invocation_id, None)

    def release(self, invocation_id: str) -> None:
        """The journal will not grow for a while: do not spend memory on it."""
        self._lengths.pop(invocation_id, None)

    def forget(self) -> None:
        """Drop what memory holds: after a rollback only the file is right."""
        self._lengths.clear()
