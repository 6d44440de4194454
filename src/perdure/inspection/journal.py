"""The journal of one invocation, a page of steps at a time, and why its attempts failed."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from perdure.errors import RequestError
from perdure.inspection import journal_sql
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.records import AttemptFailure, Journal, Row, Step, time_of

VALUE_BYTES_MAX = 16_384
WHOLE_VALUE_BYTES_MAX = 1024 * 1024
_VALUE_BYTES_LEAST = 1024  # below which the admin API does not cut


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
    bytes_max = max(value_bytes_max, _VALUE_BYTES_LEAST)
    if (await api.about()).is_perdure:
        query = {"from": str(start), "limit": str(limit), "value_bytes_max": str(bytes_max)}
        told = await api.request("GET", f"{_path(invocation_id)}/journal", query)
        found = Journal([_step(row) for row in told["steps"]], told["entries"], told.get("next"))
    else:
        found = await journal_sql.journal(api, invocation_id, start, limit, bytes_max)
    if bytes_max == value_bytes_max:
        return found
    return replace(found, steps=[_cut(step, value_bytes_max) for step in found.steps])


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


async def step(
    api: AdminApi, invocation_id: str, index: int, value_bytes_max: int = WHOLE_VALUE_BYTES_MAX
) -> Step:
    """One step with its whole value, up to `value_bytes_max`. Raises RequestError(404)."""
    found = await journal(api, invocation_id, index, 1, value_bytes_max)
    if not found.steps or found.steps[0].index != index:
        raise RequestError(404, f"{invocation_id} has no step {index}")
    return found.steps[0]


async def failures(api: AdminApi, invocation_id: str) -> list[AttemptFailure]:
    """Those that are kept, oldest first. restate-server keeps one of several in a row that are the same."""
    if not (await api.about()).is_perdure:
        return await journal_sql.failures(api, invocation_id)
    told = await api.request("GET", f"{_path(invocation_id)}/failures", expected="failures")
    return [
        AttemptFailure(
            at=time_of(row["failed_at"]),
            message=row["message"],
            code=row["code"],
            stacktrace=row.get("stacktrace"),
            step_index=row.get("entry_index"),
            step_name=row.get("command_name"),
        )
        for row in told["failures"]
    ]


def _path(invocation_id: str) -> str:
    return f"/invocations/{quote(invocation_id, safe='')}"


def _step(row: Row) -> Step:
    """Of the admin API's JSON: the same names, times as text, bytes as base64."""
    fields: dict[str, Any] = dict(row)
    for name in ("started_at", "ended_at", "wake_up_at"):
        if name in fields:
            fields[name] = time_of(fields[name])
    for name in ("value", "parameter"):
        if name in fields:
            fields[name] = base64.b64decode(fields[name])
    return Step(**fields)


def _cut(step: Step, bytes_max: int) -> Step:
    value, parameter = step.value, step.parameter
    return replace(
        step,
        value=None if value is None else value[:bytes_max],
        parameter=None if parameter is None else parameter[:bytes_max],
    )
