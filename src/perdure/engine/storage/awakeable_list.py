"""Lists of the awakeables that steps have told of: what waits for an answer, and what was answered last."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from perdure.engine.core.model import Target
from perdure.engine.storage.journal_pages import Room, line
from perdure.protocol.steps import Line

_COLUMNS = (
    "a.invocation_id, a.signal, a.position, a.name, a.told_at_ms, a.closed_at_ms, a.answer_position, "
    "i.service, i.handler, i.key"
)
_FROM = f"SELECT {_COLUMNS} FROM awakeable a JOIN invocation i ON i.id = a.invocation_id WHERE"
_NAMED = "a.name >= ? AND a.name < ? || char(1114111)"  # behind all names that begin with it
_OPEN = (
    f"{_FROM} a.closed_at_ms IS NULL AND {_NAMED} "
    "AND (a.told_at_ms, a.invocation_id, a.signal, a.position) > (?, ?, ?, ?) "
    "ORDER BY a.told_at_ms, a.invocation_id, a.signal, a.position LIMIT ?"
)
_CLOSED = (
    f"{_FROM} a.closed_at_ms IS NOT NULL AND {_NAMED} "
    "AND (a.closed_at_ms, a.invocation_id, a.signal, a.position) < (?, ?, ?, ?) "
    "ORDER BY a.closed_at_ms DESC, a.invocation_id DESC, a.signal DESC, a.position DESC LIMIT ?"
)
_OF = f"{_FROM} a.invocation_id = ? AND a.signal = ? ORDER BY a.position"


class Place(NamedTuple):
    """In a list: what it is sorted by, and which one it is."""

    at_ms: int
    invocation_id: str
    signal: int
    position: int


FIRST_OPEN = Place(-1, "", 0, 0)
FIRST_CLOSED = Place(2**63 - 1, "", 0, 0)


class Told(NamedTuple):
    """An awakeable, as the result of a step told of it. name: of the step; told: its result.

    answer: the signal that answered it; None without one. closed_at_ms: when that was, or when its invocation
    ended; None while it waits.
    """

    place: Place
    target: Target
    name: str
    told: Line
    closed_at_ms: int | None
    answer: Line | None


def open_ones(
    connection: sqlite3.Connection, name: str, after: Place, limit: int, field_bytes_max: int
) -> list[Told]:
    """Those that wait for an answer, the longest first. name: how the name of the step begins."""
    return _read(connection, _OPEN, (name, name, *after, limit), field_bytes_max)


def closed_ones(
    connection: sqlite3.Connection, name: str, after: Place, limit: int, field_bytes_max: int
) -> list[Told]:
    """Those that wait no longer, the last ones first."""
    return _read(connection, _CLOSED, (name, name, *after, limit), field_bytes_max)


def of(connection: sqlite3.Connection, invocation_id: str, signal: int, field_bytes_max: int) -> list[Told]:
    """All that was told of one."""
    return _read(connection, _OF, (invocation_id, signal), field_bytes_max)


def _read(
    connection: sqlite3.Connection, query: str, values: tuple[object, ...], field_bytes_max: int
) -> list[Told]:
    room = Room(field_bytes_max)
    found: list[Told] = []
    for row in connection.execute(query, values).fetchall():
        invocation_id, signal, position, name, told_at_ms, closed_at_ms, answer_position, *target = row
        told = line(connection, invocation_id, position, room)
        if told is None:
            continue
        answer = None if answer_position is None else line(connection, invocation_id, answer_position, room)
        at_ms = told_at_ms if closed_at_ms is None else closed_at_ms
        place = Place(at_ms, invocation_id, signal, position)
        found.append(Told(place, Target(*target), name, told, closed_at_ms, answer))
    return found
