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
    """From the entry `start` on. One entry at a time is in memory whole."""
    (length,) = connection.execute(_LENGTH, (invocation_id,)).fetchone()
    rows = connection.execute(_TOLD, (invocation_id, start))
    lines: list[Line] = []
    following: int | None = None
    for row in rows:
        if len(lines) == limit:
            following = row[0]
            break
        lines.append(_line(row, field_bytes_max))
    rows.close()
    completions = _completions(connection, invocation_id, lines, field_bytes_max)
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
    connection: sqlite3.Connection, invocation_id: str, lines: list[Line], field_bytes_max: int
) -> dict[int, Line]:
    missing = {number for line in lines for number in awaited(line)}
    found: dict[int, Line] = {}
    if not missing:
        return found
    for row in connection.execute(_COMPLETIONS, (invocation_id, lines[0].index)):
        line = _line(row, field_bytes_max)
        if (number := line.message.completion_id) in missing:
            found[number] = line
            missing.remove(number)
            if not missing:
                break
    return found


def _line(row: tuple[int, int, bytes, int], field_bytes_max: int) -> Line:
    index, kind, payload, appended_at_ms = row
    payload, whole_bytes = excerpt(kind, payload, field_bytes_max)
    return Line(index, kind, decode_message(kind, payload), whole_bytes, appended_at_ms)
