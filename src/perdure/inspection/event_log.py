"""What happened to invocations, in the order of time: begun, an attempt failed, ended.

Only SQL, the same on both engines. Of equal failures in a row the engine keeps one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from perdure.inspection.admin_api import AdminApi
from perdure.inspection.records import Row, time_of
from perdure.inspection.sql_text import sql_text

EventKind = Literal["created", "attempt failed", "succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """message: of a failure. step_name: the command that an attempt failed at, as far as the handler said."""

    at: datetime
    invocation_id: str
    target: str
    kind: EventKind
    message: str | None = None
    step_name: str | None = None
    stacktrace: str | None = None


async def events(
    api: AdminApi,
    since: datetime,
    *,
    invocation_id: str | None = None,
    service: str | None = None,
) -> list[Event]:
    """Of all invocations that are kept, or of one, or of one service; oldest first."""
    conditions = ["TRUE"]
    if invocation_id is not None:
        conditions.append(f"i.id = {sql_text(invocation_id)}")
    if service is not None:
        conditions.append(f"i.target_service_name = {sql_text(service)}")
    chosen = " AND ".join(conditions)
    begin = f"TIMESTAMP '{since.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"
    invocations = await api.query(
        "SELECT i.id, i.target, i.created_at, i.completed_at, i.completion_result, i.completion_failure "
        f"FROM sys_invocation i WHERE {chosen} AND (i.created_at >= {begin} OR i.completed_at >= {begin})"
    )
    failures = await api.query(
        "SELECT e.id, i.target, e.appended_at, e.event_json FROM sys_journal_events e "
        "JOIN sys_invocation i ON i.id = e.id "
        f"WHERE {chosen} AND e.event_type = 'TransientError' AND e.appended_at >= {begin}"
    )
    found = [event for row in invocations.rows for event in _lifetime(row)]
    found += [_failed_attempt(row) for row in failures.rows]
    return sorted((event for event in found if event.at >= since), key=lambda event: event.at)


def _lifetime(row: Row) -> list[Event]:
    told = [Event(time_of(row["created_at"]), row["id"], row["target"], "created")]
    if "completed_at" in row:
        failure = row.get("completion_failure")
        kind: EventKind = "succeeded" if failure is None else "failed"
        told.append(Event(time_of(row["completed_at"]), row["id"], row["target"], kind, failure))
    return told


def _failed_attempt(row: Row) -> Event:
    event = json.loads(row["event_json"])
    return Event(
        at=time_of(row["appended_at"]),
        invocation_id=row["id"],
        target=row["target"],
        kind="attempt failed",
        message=f"[{event.get('error_code', 500)}] {event.get('error_message', '')}",
        step_name=event.get("related_command_name"),
        stacktrace=event.get("error_stacktrace"),
    )
