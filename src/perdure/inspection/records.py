"""An invocation, its journal and its failures, the same whichever engine keeps them.

Times are aware datetimes in UTC. Values are bytes of users: anything may be in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import TypeAdapter

from perdure.protocol.steps import Step

__all__ = ["AttemptFailure", "Invocation", "Journal", "Row", "ServiceKind", "Step"]

_DURATION = TypeAdapter(timedelta)

Row = Mapping[str, Any]
"""A row of JSON, columns that are null left out, under the names of restate's introspection tables."""

ServiceKind = Literal["service", "virtual_object", "workflow"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation, without its journal.

    status: scheduled, pending, running, backing-off, suspended, paused or completed. failed: completed with
    a failure. caller_id: the invocation that called it. restarted_from: the one that it runs again.
    journal_size: entries. kept_until: when it is purged, once it has completed. result_preview: the first
    characters of its result, where the engine tells them.
    """

    id: str
    target: str
    service: str
    key: str | None
    handler: str
    kind: ServiceKind
    status: str
    failed: bool
    created_at: datetime
    modified_at: datetime | None
    completed_at: datetime | None
    scheduled_at: datetime | None
    retry_count: int
    next_retry_at: datetime | None
    last_failure: str | None
    failure: str | None
    deployment_id: str | None
    idempotency_key: str | None
    caller_id: str | None
    caller_target: str | None
    restarted_from: str | None
    journal_size: int
    kept_until: datetime | None = None
    result_preview: str | None = None

    @property
    def state(self) -> str:
        """Its status; for what is completed how it ended: `succeeded` or `failed`."""
        if self.status != "completed":
            return self.status
        return "failed" if self.failed else "succeeded"

    @property
    def took(self) -> timedelta | None:
        """From its creation to its end, if it has ended."""
        return None if self.completed_at is None else self.completed_at - self.created_at


@dataclass(frozen=True, slots=True)
class Journal:
    """A part of a journal. entries: its whole length. next: the index to go on at; None at its end."""

    steps: list[Step]
    entries: int
    next: int | None


@dataclass(frozen=True, slots=True)
class AttemptFailure:
    """One attempt that failed; count: how many times it did so in a row, where the engine tells them as one.

    step_index, step_name: the step that it failed at, as far as the handler said and the journal has it.
    """

    at: datetime
    message: str
    code: int
    stacktrace: str | None
    step_index: int | None
    step_name: str | None
    count: int = 1


def invocation_of(row: Row) -> Invocation:
    """Of a row of `sys_invocation`, or of `GET /invocations`."""
    status = row["status"]
    return Invocation(
        id=row["id"],
        target=row["target"],
        service=row["target_service_name"],
        key=row.get("target_service_key"),
        handler=row["target_handler_name"],
        kind=row.get("target_service_ty", "service"),
        status="pending" if status == "ready" else status,  # restate-server's: it waits for its turn to run
        failed=row.get("completion_result") == "failure",
        created_at=time_of(row["created_at"]),
        modified_at=optional_time(row.get("modified_at")),
        completed_at=optional_time(row.get("completed_at")),
        scheduled_at=optional_time(row.get("scheduled_start_at")),
        retry_count=row.get("retry_count", 0),
        next_retry_at=optional_time(row.get("next_retry_at")),
        last_failure=row.get("last_failure"),
        failure=row.get("completion_failure"),
        deployment_id=row.get("pinned_deployment_id"),
        idempotency_key=row.get("idempotency_key"),
        caller_id=row.get("invoked_by_id"),
        caller_target=row.get("invoked_by_target"),
        restarted_from=row.get("restarted_from"),
        journal_size=row.get("journal_size", 0),
        kept_until=_kept_until(row),
        result_preview=row.get("value_preview"),
    )


def _kept_until(row: Row) -> datetime | None:
    completed_at, retention = row.get("completed_at"), row.get("completion_retention")
    if completed_at is None or retention is None:
        return None
    try:
        return time_of(completed_at) + _DURATION.validate_python(retention)
    except (OverflowError, ValueError):  # for ever: no date, or not even a duration in Python
        return None


def time_of(text: str) -> datetime:
    """An ISO 8601 timestamp of the admin API; one without an offset is in UTC."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def optional_time(text: str | None) -> datetime | None:
    return None if text is None else time_of(text)
