"""A journal in parts: each command with the notification that completed it, wherever that stands."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from perdure.protocol.excerpts import excerpt
from perdure.protocol.messages import CUSTOM_COMMAND_FIRST, NOTIFICATION_FIRST, MessageType, decode_message
from perdure.protocol.steps import Line, awaited

_IS_TOLD = f"(type < {NOTIFICATION_FIRST} OR type >= {CUSTOM_COMMAND_FIRST} OR type = {MessageType.SIGNAL:d})"
_TOLD = (
    "SELECT position, type, payload, appended_at_ms FROM journal "
    f"WHERE invocation_id = ? AND position >= ? AND {_IS_TOLD} ORDER BY position"
)
_COMPLETIONS = (
    "SELECT position, type, payload, appended_at_ms FROM journal "
    f"WHERE invocation_id = ? AND position > ? AND NOT {_IS_TOLD} ORDER BY position"
)
_COMMAND = (
    "SELECT position FROM journal WHERE invocation_id = ? "
    f"AND (type < {NOTIFICATION_FIRST} OR type >= {CUSTOM_COMMAND_FIRST}) ORDER BY position LIMIT 1 OFFSET ?"
)
_LENGTH = "SELECT coalesce(max(position) + 1, 0) FROM journal WHERE invocation_id = ?"


PAGE_BYTES_MAX = 32 * 1024 * 1024
"""Of the values of a page together. Beyond it they are cut to FIELD_BYTES_LEAST."""
FIELD_BYTES_LEAST = 1024


@dataclass(frozen=True, slots=True)
class JournalPage:
    """lines: commands and signals. completions: of these commands, by completion id. length: of the whole
    journal, in entries. next: where to go on; None at the end.
    """

    lines: list[Line]
    completions: dict[int, Line]
    length: int
    next: int | None


def page(
    connection: sqlite3.Connection, invocation_id: str, start: int, limit: int, field_bytes_max: int
) -> JournalPage:
    """From the entry `start` on. One entry at a time is in memory whole; a single value may have all of
    `field_bytes_max`, and several PAGE_BYTES_MAX together.
    """
    room = _Room(field_bytes_max)
    (length,) = connection.execute(_LENGTH, (invocation_id,)).fetchone()
    rows = connection.execute(_TOLD, (invocation_id, start))
    lines: list[Line] = []
    following: int | None = None
    for row in rows:
        if len(lines) == limit:
            following = row[0]
            break
        lines.append(_line(row, room))
    rows.close()
    completions = _completions(connection, invocation_id, lines, room)
    return JournalPage(lines, completions, length, following)


def command_position(
    connection: sqlite3.Connection, invocation_id: str, command_index: int | None
) -> int | None:
    """The index of the entry that is the so-and-so-many-th command, counted from 0; None if there is none."""
    if command_index is None:
        return None
    row = connection.execute(_COMMAND, (invocation_id, command_index)).fetchone()
    return int(row[0]) if row else None


def _completions(
    connection: sqlite3.Connection, invocation_id: str, lines: list[Line], room: _Room
) -> dict[int, Line]:
    missing = {number for line in lines for number in awaited(line)}
    found: dict[int, Line] = {}
    if not missing:
        return found
    for row in connection.execute(_COMPLETIONS, (invocation_id, lines[0].index)):
        line = _line(row, room)
        if (number := line.message.completion_id) in missing:
            found[number] = line
            missing.remove(number)
            if not missing:
                break
    return found


class _Room:
    """What the values of a page may still take."""

    def __init__(self, field_bytes_max: int) -> None:
        self._field_bytes_max = field_bytes_max
        self._left_bytes = max(PAGE_BYTES_MAX, field_bytes_max)

    @property
    def field_bytes_max(self) -> int:
        return max(FIELD_BYTES_LEAST, min(self._field_bytes_max, self._left_bytes))

    def take(self, size_bytes: int) -> None:
        self._left_bytes -= size_bytes


def _line(row: tuple[int, int, bytes, int], room: _Room) -> Line:
    index, kind, payload, appended_at_ms = row
    payload, whole_bytes = excerpt(kind, payload, room.field_bytes_max)
    room.take(len(payload))
    return Line(index, kind, decode_message(kind, payload), whole_bytes, appended_at_ms)
