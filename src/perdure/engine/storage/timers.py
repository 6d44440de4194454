"""Table `timer`, in the order in which timers fall due."""

from __future__ import annotations

import sqlite3

from perdure.engine.core.model import Timer, TimerKind

_REMOVE = "DELETE FROM timer WHERE at_ms = ? AND kind = ? AND invocation_id = ? AND completion_id = ?"
_DUE = "SELECT at_ms, kind, invocation_id, completion_id FROM timer WHERE at_ms <= ? ORDER BY at_ms LIMIT ?"


class Timers:
    """Reads and writes of the table."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, timer: Timer) -> None:
        self._connection.execute("INSERT OR IGNORE INTO timer VALUES (?, ?, ?, ?)", timer)

    def remove(self, timer: Timer) -> bool:
        return self._connection.execute(_REMOVE, timer).rowcount > 0

    def remove_all(self, invocation_id: str) -> None:
        self._connection.execute("DELETE FROM timer WHERE invocation_id = ?", (invocation_id,))

    def due(self, now_ms: int, limit: int) -> list[Timer]:
        """The earliest that are due, at most `limit`."""
        rows = self._connection.execute(_DUE, (now_ms, limit))
        return [Timer(at_ms, TimerKind(kind), *rest) for at_ms, kind, *rest in rows]

    def next_at_ms(self) -> int | None:
        """When the next one falls due."""
        (at_ms,) = self._connection.execute("SELECT min(at_ms) FROM timer").fetchone()
        return None if at_ms is None else int(at_ms)
