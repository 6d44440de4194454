"""Table `timer`, in the order in which timers fall due.

Purges stand apart (`background` leads the key): a hundred thousand of them that are overdue, after a long
rest, must not be read through to find the one sleep that is due behind them.
"""

from __future__ import annotations

import sqlite3

from perdure.engine.core.model import Timer, TimerKind

_ADD = "INSERT OR IGNORE INTO timer VALUES (?, ?, ?, ?, ?)"
_REMOVE = (
    "DELETE FROM timer "
    "WHERE background = ? AND at_ms = ? AND kind = ? AND invocation_id = ? AND completion_id = ?"
)
_DUE = (
    "SELECT at_ms, kind, invocation_id, completion_id FROM timer "
    "WHERE background = ? AND at_ms <= ? ORDER BY at_ms LIMIT ?"
)
_PURGE_AT = "SELECT at_ms FROM timer WHERE invocation_id = ? AND kind = ?"


class Timers:
    """Reads and writes of the table."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, timer: Timer) -> None:
        self._connection.execute(_ADD, (_is_background(timer), *timer))

    def remove(self, timer: Timer) -> bool:
        return self._connection.execute(_REMOVE, (_is_background(timer), *timer)).rowcount > 0

    def remove_all(self, invocation_id: str) -> None:
        self._connection.execute("DELETE FROM timer WHERE invocation_id = ?", (invocation_id,))

    def due(self, now_ms: int, limit: int, *, background: bool = False) -> list[Timer]:
        """The earliest that are due, at most `limit`: purges where `background`, else all the others."""
        rows = self._connection.execute(_DUE, (background, now_ms, limit))
        return [Timer(at_ms, TimerKind(kind), *rest) for at_ms, kind, *rest in rows]

    def next_at_ms(self, *, background: bool = False) -> int | None:
        """When the next one falls due."""
        query = "SELECT min(at_ms) FROM timer WHERE background = ?"
        (at_ms,) = self._connection.execute(query, (background,)).fetchone()
        return None if at_ms is None else int(at_ms)

    def purge_at_ms(self, invocation_id: str) -> int | None:
        """Until when a completed invocation is kept; None for one that has not completed."""
        row = self._connection.execute(_PURGE_AT, (invocation_id, TimerKind.PURGE)).fetchone()
        return None if row is None else int(row[0])


def _is_background(timer: Timer) -> bool:
    return timer.kind is TimerKind.PURGE
