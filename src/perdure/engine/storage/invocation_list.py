"""Lists and counts of invocations. An index alone answers a filter: rows are fetched of what is shown.

What no index is sorted by (a service, a text) is searched along the index of time, or of a status; that is
some milliseconds for each 10,000 invocations, and for `read_only`, not for the engine's own connection.
"""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from perdure.engine.core.model import Invocation, Status, Target, TimerKind
from perdure.engine.storage.invocations import COLUMNS, decode_invocation

STATES = (*(status.value for status in Status if status is not Status.COMPLETED), "succeeded", "failed")
"""The statuses, but that `completed` is said as how it ended."""

VALUE_BYTES_MAX = 8_000
"""Of a result, in a list."""

_TARGET = "iif(key = '', service || '/' || handler, service || '/' || key || '/' || handler)"
_OF_ID = re.compile("[0-9A-Za-z_]+")
_COLUMNS = ", ".join(
    f"substr(i.{name}, 1, {VALUE_BYTES_MAX})" if name == "result_value" else f"i.{name}" for name in COLUMNS
)
_FETCH = (
    f"SELECT {_COLUMNS}, "
    "(SELECT coalesce(max(position) + 1, 0) FROM journal WHERE invocation_id = i.id), "
    f"(SELECT at_ms FROM timer WHERE invocation_id = i.id AND kind = '{TimerKind.PURGE}'), "
    "c.service, c.handler, c.key "
    "FROM json_each(?) AS wanted JOIN invocation i ON i.id = wanted.value "
    "LEFT JOIN invocation c ON c.id = i.caller_id"
)


class Position(NamedTuple):
    """Of an invocation in the list of all, newest first."""

    created_at_ms: int
    id: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter; what is None asks for nothing.

    states: any of these. text: in the id, the target or the idempotency key, ASCII letters of either case.
    """

    states: frozenset[str] | None = None
    service: str | None = None
    handler: str | None = None
    key: str | None = None
    text: str | None = None
    created_from_ms: int | None = None
    created_before_ms: int | None = None
    after: Position | None = None


class Listed(NamedTuple):
    """An invocation with what stands beside it; its result may be cut. caller: if it is still kept.
    purge_at_ms: until when it is kept, once it has completed.
    """

    invocation: Invocation
    journal_length: int
    caller: Target | None
    purge_at_ms: int | None


def page(connection: sqlite3.Connection, wanted: Wanted, limit: int) -> list[Listed]:
    """The newest first."""
    if wanted.states is None:
        found = _positions(connection, wanted, "invocation_by_time", limit)
    else:  # the index has them in order of time state by state
        of_each = [replace(wanted, states=frozenset({state})) for state in wanted.states]
        parts = [_positions(connection, each, "invocation_by_status", limit) for each in of_each]
        found = sorted((position for part in parts for position in part), reverse=True)[:limit]
    return fetch(connection, [position.id for position in found])


def fetch(connection: sqlite3.Connection, ids: list[str]) -> list[Listed]:
    """Those of these ids that are kept, in this order."""
    rows = {row[0]: row for row in connection.execute(_FETCH, (json.dumps(ids),))}
    return [_listed(rows[each]) for each in ids if each in rows]


def _listed(row: tuple[Any, ...]) -> Listed:
    *columns, journal_length, purge_at_ms, service, handler, key = row
    caller = None if service is None else Target(service, handler, key)
    return Listed(decode_invocation(columns), journal_length, caller, purge_at_ms)


def counts(connection: sqlite3.Connection, wanted: Wanted, count_max: int) -> dict[str, int]:
    """How many there are, state by state, each counted up to `count_max`."""
    return {
        state: _count(connection, replace(wanted, states=frozenset({state})), count_max)
        for state in STATES
        if wanted.states is None or state in wanted.states
    }


def _count(connection: sqlite3.Connection, wanted: Wanted, count_max: int) -> int:
    where, values = _condition(wanted)
    query = f"SELECT 1 FROM invocation INDEXED BY invocation_by_status {where} LIMIT ?"
    (found,) = connection.execute(f"SELECT count(*) FROM ({query})", (*values, count_max)).fetchone()
    return int(found)


def _positions(connection: sqlite3.Connection, wanted: Wanted, index: str, limit: int) -> list[Position]:
    where, values = _condition(wanted)
    query = (
        f"SELECT created_at_ms, id FROM invocation INDEXED BY {index} {where} "
        "ORDER BY created_at_ms DESC, id DESC LIMIT ?"
    )
    return [Position(*row) for row in connection.execute(query, (*values, limit))]


def _condition(wanted: Wanted) -> tuple[str, list[object]]:
    """Of one state, or of any: an index is searched for one at a time."""
    conditions: list[str] = []
    values: list[object] = []

    def ask(condition: str, *given: object) -> None:
        conditions.append(condition)
        values.extend(given)

    if wanted.states is not None:
        (state,) = wanted.states
        ended = state in ("succeeded", "failed")
        ask("status = ? AND failed = ?", "completed" if ended else state, state == "failed")
    if wanted.after is not None:
        ask("(created_at_ms, id) < (?, ?)", *wanted.after)
    if wanted.created_from_ms is not None:
        ask("created_at_ms >= ?", wanted.created_from_ms)
    if wanted.created_before_ms is not None:
        ask("created_at_ms < ?", wanted.created_before_ms)
    for column in ("service", "handler", "key"):
        if (value := getattr(wanted, column)) is not None:
            ask(f"{column} = ?", value)
    if wanted.text:
        pattern = f"%{_escaped(wanted.text)}%"
        columns = _searched(wanted.text)
        either = " OR ".join(f"{column} LIKE ? ESCAPE '!'" for column in columns)
        ask(f"({either})", *[pattern] * len(columns))
    return (f"WHERE {' AND '.join(conditions)}" if conditions else ""), values


def _searched(text: str) -> tuple[str, ...]:
    """Only what can hold the text: to put a target together costs more than to search its parts."""
    of_target = (_TARGET,) if "/" in text else ("service", "key", "handler")
    of_id = ("id",) if _OF_ID.fullmatch(text) else ()
    return (*of_target, *of_id, "idempotency_key")


def _escaped(text: str) -> str:
    for special in "!%_":
        text = text.replace(special, f"!{special}")
    return text
