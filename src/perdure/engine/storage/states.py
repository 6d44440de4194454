"""Table `state`: the key-value state of virtual objects and workflows."""

from __future__ import annotations

import sqlite3


class States:
    """Reads and writes of the table. Implements `engine.core.transaction.States`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, service: str, key: str, name: bytes) -> bytes | None:
        query = "SELECT value FROM state WHERE service = ? AND key = ? AND name = ?"
        row = self._connection.execute(query, (service, key, name)).fetchone()
        return row[0] if row else None

    def all(self, service: str, key: str) -> dict[bytes, bytes]:
        query = "SELECT name, value FROM state WHERE service = ? AND key = ? ORDER BY name"
        return dict(self._connection.execute(query, (service, key)).fetchall())

    def names(self, service: str, key: str) -> list[bytes]:
        query = "SELECT name FROM state WHERE service = ? AND key = ? ORDER BY name"
        return [row[0] for row in self._connection.execute(query, (service, key))]

    def size_bytes(self, service: str, key: str) -> int:
        query = (
            "SELECT coalesce(sum(length(name) + length(value)), 0) FROM state WHERE service = ? AND key = ?"
        )
        (size,) = self._connection.execute(query, (service, key)).fetchone()
        return int(size)

    def set(self, service: str, key: str, name: bytes, value: bytes) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)", (service, key, name, value)
        )

    def clear(self, service: str, key: str, name: bytes) -> None:
        self._connection.execute(
            "DELETE FROM state WHERE service = ? AND key = ? AND name = ?", (service, key, name)
        )

    def clear_all(self, service: str, key: str) -> None:
        self._connection.execute("DELETE FROM state WHERE service = ? AND key = ?", (service, key))
