"""Journals of restate-server, by SQL: it keeps entries as they came over the wire, as our own engine does."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from perdure.inspection import invocation_sql
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.records import AttemptFailure, Journal, Row, time_of
from perdure.protocol.excerpts import excerpt
from perdure.protocol.messages import CUSTOM_COMMAND_FIRST, MessageType, decode_message, type_name
from perdure.protocol.steps import Line, awaited, steps_of

_IS_TOLD = "(entry_type LIKE 'Command:%' OR entry_type = 'Notification: Signal')"
_BESIDE_VALUE_BYTES = 4096  # headers and names, in which a value is wrapped
_INDICES_A_QUERY = 200
_TYPES = {type_name(kind): int(kind) for kind in MessageType}


async def journal(api: AdminApi, invocation_id: str, start: int, limit: int, value_bytes_max: int) -> Journal:
    """See `perdure.inspection.journal.journal`."""
    await invocation_sql.invocation(api, invocation_id)  # it is kept, and its id can stand in SQL
    told = await api.query(f"SELECT max(index) AS last FROM sys_journal WHERE id = '{invocation_id}'")
    where = f"{_IS_TOLD} AND index >= {start} ORDER BY index LIMIT {limit + 1}"
    lines = await _lines(api, invocation_id, where, value_bytes_max)
    following = lines[limit].index if len(lines) > limit else None
    lines = lines[:limit]
    completions = await _completions(api, invocation_id, lines, value_bytes_max)
    entries = told.rows[0].get("last", -1) + 1
    return Journal(steps_of(lines, completions), entries, following)


async def failures(api: AdminApi, invocation_id: str) -> list[AttemptFailure]:
    """See `perdure.inspection.journal.failures`."""
    await invocation_sql.invocation(api, invocation_id)
    told = await api.query(
        f"SELECT appended_at, event_json FROM sys_journal_events WHERE id = '{invocation_id}' "
        "AND event_type = 'TransientError' ORDER BY appended_at"
    )
    commands = await api.query(
        f"SELECT index FROM sys_journal WHERE id = '{invocation_id}' AND entry_type LIKE 'Command:%' "
        "ORDER BY index"
    )
    indices = [row["index"] for row in commands.rows]
    return [_failure(row["appended_at"], json.loads(row["event_json"]), indices) for row in told.rows]


def _failure(at: str, event: Row, command_indices: list[int]) -> AttemptFailure:
    command = int(event.get("related_command_index", -1))
    known = 0 <= command < len(command_indices)
    return AttemptFailure(
        at=time_of(at),
        message=str(event.get("error_message", "")),
        code=int(event.get("error_code", 0)),
        stacktrace=event.get("error_stacktrace"),
        step_index=command_indices[command] if known else None,
        step_name=event.get("related_command_name") or None,
    )


async def _completions(
    api: AdminApi, invocation_id: str, lines: list[Line], value_bytes_max: int
) -> dict[int, Line]:
    """By completion id. Where each stands is asked first, and then for those that are wanted."""
    missing = {number for line in lines for number in awaited(line)}
    if not missing:
        return {}
    told = await api.query(
        f"SELECT index, entry_lite_json FROM sys_journal WHERE id = '{invocation_id}' "
        f"AND NOT {_IS_TOLD} AND index > {lines[0].index} ORDER BY index"
    )
    wanted = [row["index"] for row in told.rows if _completion_id(row["entry_lite_json"]) in missing]
    found: dict[int, Line] = {}
    for at in range(0, len(wanted), _INDICES_A_QUERY):
        indices = ", ".join(map(str, wanted[at : at + _INDICES_A_QUERY]))
        for line in await _lines(api, invocation_id, f"index IN ({indices})", value_bytes_max):
            found.setdefault(line.message.completion_id, line)
    return found


def _completion_id(lite_json: str) -> int | None:
    match json.loads(lite_json):
        case {"Notification": {"id": {"CompletionId": int(number)}}}:
            return number
        case _:
            return None


async def _lines(api: AdminApi, invocation_id: str, where: str, value_bytes_max: int) -> list[Line]:
    letters_max = (value_bytes_max + _BESIDE_VALUE_BYTES) // 3 * 4
    told = await api.query(
        "SELECT index, entry_type, name, entry_lite_json, raw_length, appended_at, "
        f"substr(encode(raw, 'base64'), 1, {letters_max}) AS beginning "
        f"FROM sys_journal WHERE id = '{invocation_id}' AND {where}"
    )
    return [_line(row, value_bytes_max) for row in told.rows]


def _line(row: Row, value_bytes_max: int) -> Line:
    kind = _TYPES.get(row["entry_type"], CUSTOM_COMMAND_FIRST)
    letters = row.get("beginning", "")
    payload, sizes = excerpt(kind, base64.b64decode(letters + "=" * (-len(letters) % 4)), value_bytes_max)
    message = decode_message(kind, payload)
    if len(letters) * 3 // 4 < row["raw_length"]:
        _restore(message, row)
    appended_at_ms = round(time_of(row["appended_at"]).timestamp() * 1000)
    return Line(row["index"], kind, message, sizes, appended_at_ms)


def _restore(message: Any, row: Row) -> None:
    """What stood behind the cut of a command, and is told elsewhere in the row."""
    if hasattr(message, "name"):
        message.name = row.get("name", "")
    command = json.loads(row["entry_lite_json"]).get("Command", {})
    for fields in command.values():
        ids = {
            "result_completion_id": fields.get("result_completion_id", fields.get("completion_id")),
            "invocation_id_notification_idx": fields.get("invocation_id_completion_id"),
        }
        for name, number in ids.items():
            if number is not None and hasattr(message, name):
                setattr(message, name, number)
        for target in _targets(fields.get("invocation_target")):
            message.key = target.get("key", "")


def _targets(target: object) -> Iterable[Row]:
    return target.values() if isinstance(target, dict) else ()
