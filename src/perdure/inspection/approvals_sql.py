"""Approvals of a restate-server, by SQL: announced by a run entry, decided by the signal of their awakeable.

It has no index of them. Entries are found by the id of their invocation, so the cost grows with what is under
way, and not with what was.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from perdure.inspection import invocation_sql
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
from perdure.inspection.invocation_filter import EVERYTHING
from perdure.inspection.records import time_of
from perdure.protocol.ids import decode_awakeable_id

_INVOCATIONS_A_QUERY = 200
_COMPLETION_ID = re.compile(r'"completion_id":(\d+)')

_COLUMNS = "id, target, status, restarted_from"
_WITHOUT_A_JOURNAL = "'scheduled', 'inboxed'"
# One that sleeps for years is not read again and again. Signals up to 16 are the protocol's own, 1 is cancel.
_MAY_WAIT_FOR_A_HUMAN = (
    f"status NOT IN ('completed', {_WITHOUT_A_JOURNAL}) AND (status <> 'suspended' "
    "OR suspended_waiting_for_signals IS NULL OR array_max(suspended_waiting_for_signals) > 16)"
)


async def pending(api: AdminApi) -> list[Approval]:
    """See `perdure.inspection.approvals.pending`."""
    told = await api.query(f"SELECT {_COLUMNS} FROM sys_invocation WHERE {_MAY_WAIT_FOR_A_HUMAN}")
    found = [each for each in await _all_approvals(api, told.rows) if each.status == "pending"]
    return sorted(found, key=lambda approval: approval.asked_at)


async def recent(api: AdminApi, limit: int) -> list[Approval]:
    """See `perdure.inspection.approvals.recent`: of what moved last, and of the newest invocations."""
    under_way, newest = await asyncio.gather(
        api.query(
            f"SELECT {_COLUMNS} FROM sys_invocation WHERE status NOT IN ({_WITHOUT_A_JOURNAL}) "
            f"AND status <> 'completed' ORDER BY modified_at DESC LIMIT {_INVOCATIONS_A_QUERY}"
        ),
        invocation_sql.page(api, EVERYTHING, None, _INVOCATIONS_A_QUERY),
    )
    rows = {each.id: {name: getattr(each, name) for name in _COLUMNS.split(", ")} for each in newest[0]}
    rows |= {row["id"]: row for row in under_way.rows}
    found = [each for each in await _all_approvals(api, list(rows.values())) if each.status != "pending"]
    return sorted(found, key=lambda each: each.decided_at or each.asked_at, reverse=True)[:limit]


async def find(api: AdminApi, awakeable_id: str) -> Approval | None:
    """See `perdure.inspection.approvals.find`."""
    invocation_id, _ = decode_awakeable_id(awakeable_id)
    told = await api.query(f"SELECT {_COLUMNS} FROM sys_invocation WHERE id = '{invocation_id}'")
    found = (approval for approval in await _approvals(api, told.rows) if approval.id == awakeable_id)
    return next(found, None)


async def _all_approvals(api: AdminApi, invocations: Sequence[Mapping[str, Any]]) -> list[Approval]:
    return [
        approval
        for at in range(0, len(invocations), _INVOCATIONS_A_QUERY)
        for approval in await _approvals(api, invocations[at : at + _INVOCATIONS_A_QUERY])
    ]


async def _approvals(api: AdminApi, invocations: Iterable[Mapping[str, Any]]) -> list[Approval]:
    by_id = {row["id"]: row for row in invocations}
    announced = await _announced(api, by_id) if by_id else {}
    return list(_joined(await _entries(api, announced), announced, by_id)) if announced else []


def _joined(
    entries: list[dict[str, Any]],
    announced: Mapping[str, set[int]],
    invocations: Mapping[str, Mapping[str, Any]],
) -> Iterator[Approval]:
    signals: dict[tuple[str, int], Mapping[str, Any]] = {}
    for row in entries:  # in the order of the journal: the first decision is the one that counts
        match row["notification"]:
            case {"Signal": {"id": {"Index": int(index)}}}:
                signals.setdefault((row["id"], index), row)
    for row in entries:
        announcement = _announcement(row["notification"], announced[row["id"]])
        invocation = invocations[row["id"]]
        own = None if announcement is None else awaited_by(row["id"], announcement)
        if own is None or (own != announcement and invocation.get("restarted_from") is None):
            continue
        signal = signals.get(decode_awakeable_id(own["awakeable_id"]))
        yield Approval(
            invocation_id=row["id"],
            target=invocation["target"],
            announcement=own,
            decided_at=None if signal is None else time_of(signal["appended_at"]),
            decision=None if signal is None else _decision(signal["notification"]["Signal"]["result"]),
            completed=invocation["status"] == "completed",
        )


async def _announced(api: AdminApi, ids: Iterable[str]) -> dict[str, set[int]]:
    """The completion ids of announcements, by invocation."""
    announced: dict[str, set[int]] = {}
    told = await api.query(
        f"SELECT id, entry_lite_json FROM sys_journal WHERE id IN ({_quoted(ids)}) "
        f"AND entry_type = 'Command: Run' AND name LIKE '{STEP_NAME}%'"
    )
    for row in told.rows:
        if found := _COMPLETION_ID.search(row["entry_lite_json"]):
            announced.setdefault(row["id"], set()).add(int(found[1]))
    return announced


async def _entries(api: AdminApi, announced: Mapping[str, set[int]]) -> list[dict[str, Any]]:
    """What these invocations announced, and all their signals. Other runs may hold much, and stay there."""
    completions = " OR ".join(
        f"entry_lite_json LIKE '%\"CompletionId\":{number}}}%'"
        for number in sorted(set().union(*announced.values()))
    )
    told = await api.query(
        f"SELECT id, index, entry_json, appended_at FROM sys_journal WHERE id IN ({_quoted(announced)}) "
        "AND (entry_type = 'Notification: Signal' "
        f"OR (entry_type = 'Notification: Run' AND ({completions}))) ORDER BY id, index"
    )
    return [{**row, "notification": json.loads(row["entry_json"])["Notification"]} for row in told.rows]


def _quoted(ids: Iterable[str]) -> str:
    return ", ".join(f"'{each}'" for each in ids)


def _announcement(notification: Mapping[str, Any], completion_ids: set[int]) -> dict[str, Any] | None:
    """The value of an announcing run; None for other entries, also for a step that only has the name."""
    match notification:
        case {"Completion": {"Run": {"completion_id": number, "result": {"Success": list(content)}}}}:
            return announcement_of(bytes(content)) if number in completion_ids else None
    return None


def _decision(result: object) -> Decision | None:
    match result:
        case {"Success": list(content)}:
            return decision_of(bytes(content))
        case {"Failure": {"message": str(message)}}:
            return rejection(message)
        case _:
            return None
