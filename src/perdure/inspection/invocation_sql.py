"""Lists of restate-server's invocations, by SQL. It has no index of them: a page costs a scan of them all."""

from __future__ import annotations

from datetime import UTC, datetime

from perdure.errors import RequestError
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.invocation_filter import COUNT_MAX, STATUSES, InvocationFilter
from perdure.inspection.records import Invocation, Row, invocation_of
from perdure.inspection.sql_text import sql_text
from perdure.protocol.ids import decode_invocation_id

_STATE = (
    "CASE WHEN status = 'ready' THEN 'pending' WHEN status <> 'completed' THEN status "
    "WHEN completion_result = 'failure' THEN 'failed' ELSE 'succeeded' END"
)
_COLUMNS = (
    "id, target, target_service_name, target_service_key, target_handler_name, target_service_ty, status, "
    "completion_result, completion_failure, created_at, modified_at, completed_at, completion_retention, "
    "scheduled_start_at, "
    # scheduled_at: without it, restate-server 1.7 leaves scheduled_start_at empty
    "scheduled_at, retry_count, next_retry_at, last_failure, pinned_deployment_id, idempotency_key, "
    "invoked_by_id, invoked_by_target, restarted_from, journal_size"
)
_ENDED = frozenset(("succeeded", "failed"))


async def page(
    api: AdminApi, wanted: InvocationFilter, cursor: str | None, limit: int
) -> tuple[list[Invocation], str | None]:
    """See `perdure.inspection.invocation_list.page`; (items, next)."""
    conditions = [*_conditions(wanted), *([_behind(cursor)] if cursor else [])]
    # A cursor is exact: created_at is told in milliseconds, and is kept so.
    told = await api.query(
        f"SELECT {_COLUMNS} FROM sys_invocation {_where(conditions)} "
        f"ORDER BY created_at DESC, id DESC LIMIT {limit + 1}"
    )
    rows = told.rows[:limit]
    following = f"{rows[-1]['created_at']}_{rows[-1]['id']}" if len(told.rows) > limit else None
    return [_invocation(row) for row in rows], following


async def counts(api: AdminApi, wanted: InvocationFilter) -> dict[str, int]:
    """See `perdure.inspection.invocation_list.counts`."""
    where = _where(_conditions(wanted))
    told = await api.query(f"SELECT {_STATE} AS state, count(*) AS n FROM sys_invocation {where} GROUP BY 1")
    found = {row["state"]: min(row["n"], COUNT_MAX) for row in told.rows}
    states = _states(wanted.status) if wanted.status is not None else STATUSES
    return {state: found.get(state, 0) for state in STATUSES if state in states}


async def invocation(api: AdminApi, invocation_id: str) -> Invocation:
    """See `perdure.inspection.invocation_list.invocation`."""
    decode_invocation_id(invocation_id)
    told = await api.query(f"SELECT {_COLUMNS} FROM sys_invocation WHERE id = '{invocation_id}'")
    if not told.rows:
        raise RequestError(404, f"invocation '{invocation_id}' not found")
    return _invocation(told.rows[0])


def _invocation(row: Row) -> Invocation:
    """There, an attempt under way counts as a retry already."""
    retries = row.get("retry_count", 0) - (row["status"] == "running")
    return invocation_of({**row, "retry_count": max(retries, 0)})


def _conditions(wanted: InvocationFilter) -> list[str]:
    asked: list[str] = []
    if wanted.status is not None:
        asked.append(f"{_STATE} IN ({', '.join(map(sql_text, sorted(_states(wanted.status))))})")
    for column, value in (
        ("target_service_name", wanted.service),
        ("target_handler_name", wanted.handler),
        ("target_service_key", wanted.key),
    ):
        if value is not None:
            asked.append(f"{column} = {sql_text(value)}")
    if wanted.text:  # strpos: restate-server 1.7 dies of a LIKE with an ESCAPE
        text = sql_text(wanted.text.lower())
        columns = ("id", "target", "coalesce(idempotency_key, '')")
        asked.append(f"({' OR '.join(f'strpos(lower({column}), {text}) > 0' for column in columns)})")
    if wanted.created_after is not None:
        asked.append(f"created_at >= {_time(wanted.created_after)}")
    if wanted.created_before is not None:
        asked.append(f"created_at < {_time(wanted.created_before)}")
    return asked


def _states(asked: frozenset[str]) -> frozenset[str]:
    states = (asked - {"completed"}) | (_ENDED if "completed" in asked else frozenset())
    if unknown := states - set(STATUSES):
        raise RequestError(400, f"no status '{min(unknown)}'; there are: {', '.join(STATUSES)}, completed")
    return states


def _behind(cursor: str) -> str:
    at, _, invocation_id = cursor.partition("_")
    try:
        decode_invocation_id(invocation_id)
        moment = _time(datetime.fromisoformat(at))
    except (ValueError, OverflowError, RequestError):
        raise RequestError(400, f"bad cursor '{cursor}': take the `next` of the page before") from None
    return f"(created_at < {moment} OR (created_at = {moment} AND id < '{invocation_id}'))"


def _where(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _time(at: datetime) -> str:
    return sql_text(at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"))
