"""Tables `journal` and `journal_whole`. Entries are only ever appended, and deleted with their invocation.

SQLite has no way to read the beginning of a long value in a table like `journal`, and to find a row it may
have to read its neighbours whole. So of a long entry the table has an excerpt, and `journal_whole` all of it:
what only looks at a journal reads no more than it shows.
"""

from __future__ import annotations

import json
import sqlite3

from perdure.engine.core.model import Entry
from perdure.protocol.excerpts import excerpt

ENTRY_BYTES_MAX = 256 * 1024
"""A longer entry is a long one."""
FIELD_BYTES_MAX = 64 * 1024
"""Of a field in the excerpt of a long entry."""

WHOLE_PAYLOAD = (
    "CASE WHEN {0}.cut IS NULL THEN {0}.payload ELSE (SELECT w.payload FROM journal_whole w "
    "WHERE w.invocation_id = {0}.invocation_id AND w.position = {0}.position) END"
)
"""Of a row of `journal`, by its alias."""

_APPEND = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)"
_APPEND_WHOLE = "INSERT INTO journal_whole VALUES (?, ?, ?)"
_READ = (
    f"SELECT type, {WHOLE_PAYLOAD.format('j')}, appended_at_ms FROM journal j "
    "WHERE invocation_id = ? ORDER BY position"
)
_LENGTH = "SELECT coalesce(max(position) + 1, 0) FROM journal WHERE invocation_id = ?"
_NEWEST = "SELECT appended_at_ms FROM journal WHERE invocation_id = ? ORDER BY position DESC LIMIT 1"
_SIZE = (
    "SELECT (SELECT total(length(payload)) FROM journal WHERE invocation_id = ?1) "
    "+ (SELECT total(length(payload)) FROM journal_whole WHERE invocation_id = ?1)"
)


class Journal:
    """Reads and writes of the table. The lengths of journals in use are kept in memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lengths: dict[str, int] = {}
        self.entries_appended = self.bytes_appended = 0
        """Since the file was opened."""

    def append(self, invocation_id: str, entry: Entry) -> int:
        """Returns where it stands."""
        position = self.length(invocation_id)
        payload, cut = entry.payload, None
        if len(payload) > ENTRY_BYTES_MAX:
            beginning, whole_bytes = excerpt(entry.type, payload, FIELD_BYTES_MAX)
            if whole_bytes:
                self._connection.execute(_APPEND_WHOLE, (invocation_id, position, payload))
                payload, cut = beginning, json.dumps(whole_bytes)
        self._connection.execute(
            _APPEND, (invocation_id, position, entry.type, payload, entry.appended_at_ms, cut)
        )
        self._lengths[invocation_id] = position + 1
        self.entries_appended += 1
        self.bytes_appended += len(entry.payload)
        return position

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
        """Of all payloads together; a little more where some are long."""
        return int(self._connection.execute(_SIZE, (invocation_id,)).fetchone()[0])

    def delete(self, invocation_id: str) -> None:
        for table in ("journal", "journal_whole"):
            self._connection.execute(f"DELETE FROM {table} WHERE invocation_id = ?", (invocation_id,))
        self._lengths.pop(invocation_id, None)

    def release(self, invocation_id: str) -> None:
        """The journal will not grow for a while: do not spend memory on it."""
        self._lengths.pop(invocation_id, None)

    def forget(self) -> None:
        """Drop what memory holds: after a rollback only the file is right."""
        self._lengths.clear()
