"""Approvals: announced by a step, decided by the answer to their awakeable.

No engine knows of them. The embedded one lists the awakeables that steps have told of, by the names of the
steps; of restate-server the journals are read.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

from perdure.inspection import approvals_sql
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.approval import (
    STEP_NAME,
    Approval,
    Decision,
    announcement_of,
    awaited_by,
    decision_of,
    rejection,
)
from perdure.inspection.records import Row, optional_time
from perdure.protocol.ids import decode_awakeable_id

__all__ = ["Approval", "Decision", "find", "pending", "recent"]

_PAGE = 1_000
_VALUE_BYTES_MAX = 256 * 1024  # in a list; what is cut is asked for by itself
_WHOLE_BYTES_MAX = 64 * 1024 * 1024


async def pending(api: AdminApi) -> list[Approval]:
    """What waits for a human now, longest first."""
    if not (await api.about()).is_perdure:
        return await approvals_sql.pending(api)
    found = [each async for each in _open(api) if each.status == "pending"]
    return sorted(found, key=lambda approval: approval.asked_at)


async def recent(api: AdminApi, limit: int = 20) -> list[Approval]:
    """What waits no longer, the last ones, newest first."""
    if not (await api.about()).is_perdure:
        return await approvals_sql.recent(api, limit)
    closed, _ = await _page(api, {"open": "false", "limit": str(limit)})
    expired = [each async for each in _open(api) if each.status != "pending"]
    return sorted([*closed, *expired], key=lambda each: each.decided_at or each.asked_at, reverse=True)[
        :limit
    ]


async def find(api: AdminApi, awakeable_id: str) -> Approval | None:
    """One approval, whatever became of it; None if no journal that is still kept announces it.

    Raises RequestError(400) for what is no id of an awakeable.
    """
    decode_awakeable_id(awakeable_id)
    if not (await api.about()).is_perdure:
        return await approvals_sql.find(api, awakeable_id)
    rows = (row for row in await _whole(api, awakeable_id) if row["name"].startswith(STEP_NAME))
    return next((found for row in rows if (found := _approval(row)) is not None), None)


async def _open(api: AdminApi) -> AsyncIterator[Approval]:
    query: dict[str, str] | None = {"limit": str(_PAGE)}
    while query is not None:
        found, cursor = await _page(api, query)
        for each in found:
            yield each
        query = None if cursor is None else {"limit": str(_PAGE), "cursor": cursor}


async def _page(api: AdminApi, query: dict[str, str]) -> tuple[list[Approval], str | None]:
    asked = {"name": STEP_NAME, "value_bytes_max": str(_VALUE_BYTES_MAX), **query}
    told = await api.request("GET", "/awakeables", asked, expected="awakeables")
    rows = [await _uncut(api, row) for row in told["awakeables"]]
    return [found for row in rows if (found := _approval(row)) is not None], told.get("next")


async def _uncut(api: AdminApi, row: Row) -> Row:
    """With all of what was said: the values of a list have so much room together."""
    if all(
        len(base64.b64decode(row.get(name, ""))) == row.get(f"{name}_bytes", 0)
        for name in ("value", "answer")
    ):
        return row
    whole = await _whole(api, row["id"])
    return next((each for each in whole if each["entry_index"] == row["entry_index"]), row)


async def _whole(api: AdminApi, awakeable_id: str) -> list[Any]:
    query = {"value_bytes_max": str(_WHOLE_BYTES_MAX)}
    told = await api.request("GET", f"/awakeables/{awakeable_id}", query, expected="awakeables")
    found: list[Any] = told["awakeables"]
    return found


def _approval(row: Row) -> Approval | None:
    """None for a step that has the name of an announcement and is none, or is another awakeable's."""
    announced = announcement_of(base64.b64decode(row["value"]))
    announcement = None if announced is None else awaited_by(row["invocation_id"], announced)
    if announcement is None or announcement["awakeable_id"] != row["id"]:
        return None
    answered_at = optional_time(row.get("answered_at"))
    return Approval(
        invocation_id=row["invocation_id"],
        target=row["target"],
        announcement=announcement,
        decided_at=answered_at,
        decision=None if answered_at is None else _decision(row),
        completed=answered_at is None and "closed_at" in row,
    )


def _decision(row: Row) -> Decision | None:
    if "rejection" in row:
        return rejection(row["rejection"]["message"])
    return decision_of(base64.b64decode(row["answer"]))
