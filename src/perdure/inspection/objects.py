"""Virtual objects and workflows: which there are, who has one now and who waits for it.

Only SQL, the same on both engines.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from perdure.inspection.admin_api import AdminApi
from perdure.inspection.records import optional_time
from perdure.inspection.sql_text import sql_text
from perdure.inspection.state import of_object


@dataclass(frozen=True, slots=True)
class StateTotals:
    """What the objects of one service keep together."""

    objects: int
    entries: int
    value_bytes: int


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object in a list. holder: the invocation that has it now; waiting: how many wait for it."""

    key: str
    entries: int
    value_bytes: int
    holder: str | None
    waiting: int


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """next: what to ask for the following page with; None on the last one."""

    items: list[ObjectRow]
    next: str | None


@dataclass(frozen=True, slots=True)
class Caller:
    """An invocation that has an object or waits for it."""

    id: str
    target: str
    status: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Use:
    """waiting: the first of those that wait, in their order; waiting_count: how many they are."""

    holder: Caller | None
    waiting: list[Caller]
    waiting_count: int


@dataclass(frozen=True, slots=True)
class Promise:
    """A durable promise of a workflow. value and failure: None while it is not completed."""

    name: str
    is_completed: bool
    value: bytes | None
    failure: str | None


async def totals(api: AdminApi) -> dict[str, StateTotals]:
    """By service, for those that keep anything."""
    found = await api.query(
        "SELECT service_name, count(DISTINCT service_key) AS objects, count(*) AS entries, "
        "sum(CAST(value_length AS BIGINT)) AS value_bytes FROM state GROUP BY service_name"
    )
    return {
        row["service_name"]: StateTotals(row["objects"], row["entries"], row.get("value_bytes", 0))
        for row in found.rows
    }


async def objects(
    api: AdminApi, service: str, *, text: str = "", after: str | None = None, limit: int = 100
) -> ObjectPage:
    """Objects that keep something, are in use or are waited for, by key.

    text: only keys that contain it. after: `next` of the page before.
    """
    of_service = f"service_name = {sql_text(service)}"
    if text:
        of_service += f" AND strpos(service_key, {sql_text(text)}) > 0"
    if after is not None:
        of_service += f" AND service_key > {sql_text(after)}"
    found = await api.query(
        "SELECT service_key, sum(entries) AS entries, sum(value_bytes) AS value_bytes, "
        "max(holder) AS holder, sum(waiting) AS waiting FROM ("
        "SELECT service_key, count(*) AS entries, sum(CAST(value_length AS BIGINT)) AS value_bytes, "
        f"CAST(NULL AS VARCHAR) AS holder, 0 AS waiting FROM state WHERE {of_service} GROUP BY service_key "
        "UNION ALL SELECT service_key, 0, 0, invocation_id, 0 FROM sys_keyed_service_status "
        f"WHERE {of_service} AND invocation_id IS NOT NULL "
        f"UNION ALL SELECT service_key, 0, 0, NULL, count(*) FROM sys_inbox WHERE {of_service} "
        f"GROUP BY service_key) GROUP BY service_key ORDER BY service_key LIMIT {limit + 1}"
    )
    rows = [
        ObjectRow(
            row.get("service_key", ""),
            row["entries"],
            row.get("value_bytes", 0),
            row.get("holder"),
            row["waiting"],
        )
        for row in found.rows
    ]
    return ObjectPage(rows[:limit], rows[limit - 1].key if len(rows) > limit else None)


async def use(api: AdminApi, service: str, key: str, *, limit: int = 20) -> Use:
    """Who has the object now, and who waits for it."""
    held, inbox, counted = await asyncio.gather(
        api.query(
            f"SELECT invocation_id AS id FROM sys_keyed_service_status WHERE {of_object(service, key)} "
            "AND invocation_id IS NOT NULL"
        ),
        api.query(
            f"SELECT id FROM sys_inbox WHERE {of_object(service, key)} ORDER BY sequence_number LIMIT {limit}"
        ),
        api.query(f"SELECT count(*) AS waiting FROM sys_inbox WHERE {of_object(service, key)}"),
    )
    ids = [row["id"] for row in (*held.rows, *inbox.rows) if "id" in row]
    callers = await _callers(api, ids)
    return Use(
        callers[held.rows[0]["id"]] if held.rows else None,
        [callers[row["id"]] for row in inbox.rows if "id" in row],
        counted.rows[0]["waiting"],
    )


async def promises(api: AdminApi, service: str, key: str) -> list[Promise]:
    """Of a workflow, by name."""
    found = await api.query(
        "SELECT key, completed, completion_success_value AS value, completion_failure AS failure "
        f"FROM sys_promise WHERE {of_object(service, key)} ORDER BY key LIMIT 200"
    )
    return [
        Promise(
            row["key"],
            row["completed"],
            bytes.fromhex(row["value"]) if "value" in row else None,
            row.get("failure"),
        )
        for row in found.rows
    ]


async def _callers(api: AdminApi, ids: list[str]) -> dict[str, Caller]:
    callers = {each: Caller(each, "", "", None) for each in ids}  # what has just ended may be gone
    if ids:
        found = await api.query(
            f"SELECT id, target, status, created_at FROM sys_invocation WHERE id IN "
            f"({', '.join(map(sql_text, ids))})"
        )
        for row in found.rows:
            callers[row["id"]] = Caller(
                row["id"], row["target"], row["status"], optional_time(row.get("created_at"))
            )
    return callers
