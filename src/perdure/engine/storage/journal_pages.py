"""A journal in parts: each command with the notification that completed it, wherever that stands."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from perdure.engine.storage import journal
from perdure.protocol.excerpts import excerpt
from perdure.protocol.messages import CUSTOM_COMMAND_FIRST, NOTIFICATION_FIRST, MessageType, decode_message
from perdure.protocol.steps import Line, awaited

_IS_TOLD = f"(type < {NOTIFICATION_FIRST} OR type >= {CUSTOM_COMMAND_FIRST} OR type = {MessageType.SIGNAL:d})"
_SELECT = "SELECT position, type, payload, appended_at_ms, cut FROM journal WHERE invocation_id = ?"
_TOLD = f"{_SELECT} AND position >= ? AND {_IS_TOLD} ORDER BY position"
_COMPLETIONS = f"{_SELECT} AND position > ? AND NOT {_IS_TOLD} ORDER BY position"
_ONE = f"{_SELECT} AND position = ?"
_WHOLE = "SELECT payload FROM journal_whole WHERE invocation_id = ? AND position = ?"
_COMMAND = (
    "SELECT position FROM journal WHERE invocation_id = ? "
    f"AND (type < {NOTIFICATION_FIRST} OR type >= {CUSTOM_COMMAND_FIRST}) ORDER BY position LIMIT 1 OFFSET ?"
)
_LENGTH = "SELECT coalesce(max(position) + 1, 0) FROM journal WHERE invocation_id = ?"

_HEAD_BYTES = 64  # of a completion: the id of what it completes comes first
_Row = tuple[int, int, bytes, int, str | None]

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
    """From the entry `start` on. A single value may have all of `field_bytes_max`, and several PAGE_BYTES_MAX
    together. Of long entries no more is read than is shown.
    """
    room = Room(field_bytes_max)
    (length,) = connection.execute(_LENGTH, (invocation_id,)).fetchone()
    rows = connection.execute(_TOLD, (invocation_id, start))
    lines: list[Line] = []
    following: int | None = None
    for row in rows:
        if len(lines) == limit:
            following = row[0]
            break
        lines.append(_line(connection, invocation_id, row, room))
    rows.close()
    completions = _completions(connection, invocation_id, lines, room)
    return JournalPage(lines, completions, length, following)


def line(connection: sqlite3.Connection, invocation_id: str, position: int, room: Room) -> Line | None:
    """One entry; None if it is not kept."""
    row = connection.execute(_ONE, (invocation_id, position)).fetchone()
    return None if row is None else _line(connection, invocation_id, row, room)


def command_position(
    connection: sqlite3.Connection, invocation_id: str, command_index: int | None
) -> int | None:
    """The index of the entry that is the so-and-so-many-th command, counted from 0; None if there is none."""
    if command_index is None:
        return None
    row = connection.execute(_COMMAND, (invocation_id, command_index)).fetchone()
    return int(row[0]) if row else None


class Room:
    """What the values of a page may still take: each `field_bytes_max`, together PAGE_BYTES_MAX."""

    def __init__(self, field_bytes_max: int) -> None:
        self._field_bytes_max = field_bytes_max
        self._left_bytes = max(PAGE_BYTES_MAX, field_bytes_max)

    @property
    def field_bytes_max(self) -> int:
        return max(FIELD_BYTES_LEAST, min(self._field_bytes_max, self._left_bytes))

    def take(self, size_bytes: int) -> None:
        self._left_bytes -= size_bytes


def _completions(
    connection: sqlite3.Connection, invocation_id: str, lines: list[Line], room: Room
) -> dict[int, Line]:
    missing = {number for line in lines for number in awaited(line)}
    found: dict[int, Line] = {}
    if not missing:
        return found
    for row in connection.execute(_COMPLETIONS, (invocation_id, lines[0].index)):
        number = _decoded(row, _HEAD_BYTES)[0].completion_id
        if number in missing:
            found[number] = _line(connection, invocation_id, row, room)
            missing.remove(number)
            if not missing:
                break
    return found


def _line(connection: sqlite3.Connection, invocation_id: str, row: _Row, room: Room) -> Line:
    index, kind, _, appended_at_ms, cut = row
    if cut is not None and room.field_bytes_max > journal.FIELD_BYTES_MAX:
        (whole,) = connection.execute(_WHOLE, (invocation_id, index)).fetchone()
        row, cut = (index, kind, whole, appended_at_ms, None), None
    message, whole_bytes = _decoded(row, room.field_bytes_max)
    room.take(message.ByteSize())
    return Line(index, kind, message, whole_bytes | (json.loads(cut) if cut else {}), appended_at_ms)


def _decoded(row: _Row, field_bytes_max: int) -> tuple[Any, dict[str, int]]:
    _, kind, payload, _, _ = row
    payload, whole_bytes = excerpt(kind, payload, field_bytes_max)
    return decode_message(kind, payload), whole_bytes
