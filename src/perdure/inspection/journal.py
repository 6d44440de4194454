"""The journal of one invocation, a page of steps at a time, and why its attempts failed."""

from __future__ import annotations

import json
import re

from perdure.errors import RequestError
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.records import AttemptFailure, Journal, Row, Step, optional_time, time_of

VALUE_BYTES_MAX = 16_384
WHOLE_VALUE_BYTES_MAX = 1024 * 1024


async def journal(
    api: AdminApi,
    invocation_id: str,
    start: int = 0,
    limit: int = 500,
    value_bytes_max: int = VALUE_BYTES_MAX,
) -> Journal:
    """At most `limit` steps from the entry `start` on, their values cut to `value_bytes_max`.

    Raises RequestError(404) for an invocation that is not kept.
    """
    answer = await api.request("GET", f"/invocations/{invocation_id}")
    rows: list[Row] = answer["journal"]
    told = [row for row in rows if row["index"] >= start and _is_told(row)]
    steps = [_step(row, value_bytes_max) for row in told[:limit]]
    return Journal(steps, len(rows), told[limit]["index"] if len(told) > limit else None)


async def whole_journal(
    api: AdminApi, invocation_id: str, value_bytes_max: int = VALUE_BYTES_MAX
) -> list[Step]:
    """All steps. Raises RequestError(404)."""
    part = await journal(api, invocation_id, value_bytes_max=value_bytes_max)
    steps = part.steps
    while part.next is not None:
        part = await journal(api, invocation_id, part.next, value_bytes_max=value_bytes_max)
        steps += part.steps
    return steps


async def step(api: AdminApi, invocation_id: str, index: int) -> Step:
    """One step with its whole value, up to WHOLE_VALUE_BYTES_MAX. Raises RequestError(404)."""
    found = await journal(api, invocation_id, index, 1, WHOLE_VALUE_BYTES_MAX)
    if not found.steps or found.steps[0].index != index:
        raise RequestError(404, f"{invocation_id} has no step {index}")
    return found.steps[0]


async def failures(api: AdminApi, invocation_id: str) -> list[AttemptFailure]:
    """Those that are kept, oldest first."""
    told = await api.query(
        "SELECT appended_at, event_json FROM sys_journal_events WHERE "
        f"id = '{invocation_id}' AND event_type = 'TransientError' ORDER BY appended_at"
    )
    return [_failure(row) for row in told.rows]


def _failure(row: Row) -> AttemptFailure:
    event = json.loads(row["event_json"])
    return AttemptFailure(
        at=time_of(row["appended_at"]),
        message=str(event.get("error_message", "")),
        code=int(event.get("error_code", 0)),
        stacktrace=event.get("error_stacktrace"),
        step_index=event.get("related_command_index"),
        step_name=event.get("related_command_name"),
    )


def _is_told(row: Row) -> bool:
    kind = str(row["entry_type"])
    return kind.startswith("Command: ") or kind == "Notification: Signal"


def _step(row: Row, value_bytes_max: int) -> Step:
    preview = row.get("value_preview")
    was_cut = preview is not None and len(preview) > 2000 and preview.endswith("…")
    value = None if preview is None else preview.removesuffix("…" if was_cut else "").encode()
    return Step(
        index=row["index"],
        kind=kind_of(row["entry_type"]),
        name=row.get("name", ""),
        started_at=time_of(row["appended_at"]),
        ended_at=optional_time(row.get("completed_at")),
        completed=row.get("completed"),
        value=None if value is None else value[:value_bytes_max],
        value_bytes=len(value or b""),
        is_cut=was_cut or (value is not None and len(value) > value_bytes_max),
        failure=row.get("failure_preview"),
        invoked_id=row.get("invoked_id"),
        invoked_target=row.get("invoked_target"),
        parameter=str(row["parameter_preview"]).encode() if "parameter_preview" in row else None,
        wake_up_at=optional_time(row.get("sleep_wakeup_at")),
        awakeable_id=row.get("awakeable_id"),
        signal_id=row.get("signal_id"),
        signal_name=row.get("signal_name"),
    )


_KINDS = {"one_way_call": "send", "get_lazy_state": "get_state", "get_eager_state": "get_state"}
_KINDS |= {"get_lazy_state_keys": "get_state_keys", "get_eager_state_keys": "get_state_keys"}


def kind_of(entry_type: str) -> str:
    """`Command: OneWayCall` as a step's kind: `send`."""
    name = entry_type.partition(": ")[2]
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    return "custom" if snake.startswith("custom") else _KINDS.get(snake, snake)
