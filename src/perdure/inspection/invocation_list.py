"""Lists of invocations: filtered, newest first, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from perdure.inspection import invocation_sql
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.invocation_filter import COUNT_MAX, EVERYTHING, STATUSES, InvocationFilter
from perdure.inspection.records import Invocation, invocation_of

__all__ = ["COUNT_MAX", "EVERYTHING", "STATUSES", "InvocationFilter", "Page"]


@dataclass(frozen=True, slots=True)
class Page:
    """next: the cursor of the page behind it; None on the last one."""

    items: list[Invocation]
    next: str | None


async def page(
    api: AdminApi, wanted: InvocationFilter = EVERYTHING, cursor: str | None = None, limit: int = 50
) -> Page:
    """Newest first. cursor: the `next` of the page before. Raises RequestError(400) for a bad one."""
    if not (await api.about()).is_perdure:
        return Page(*await invocation_sql.page(api, wanted, cursor, limit))
    query = _query(wanted) | {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
    told = await api.request("GET", "/invocations", query, expected="invocations")
    return Page([invocation_of(row) for row in told["invocations"]], told.get("next"))


async def count(api: AdminApi, wanted: InvocationFilter = EVERYTHING) -> int:
    """How many there are, counted up to COUNT_MAX."""
    return min(sum((await counts(api, wanted)).values()), COUNT_MAX)


async def counts(api: AdminApi, wanted: InvocationFilter = EVERYTHING) -> dict[str, int]:
    """How many there are of each of STATUSES that is wanted, each counted up to COUNT_MAX. One request."""
    if not (await api.about()).is_perdure:
        return await invocation_sql.counts(api, wanted)
    told = await api.request("GET", "/invocations/count", _query(wanted), expected="states")
    found: dict[str, int] = told["states"]
    return found


async def invocation(api: AdminApi, invocation_id: str) -> Invocation:
    """Raises RequestError: 404 for one that is not kept, 400 for what is no id."""
    if not (await api.about()).is_perdure:
        return await invocation_sql.invocation(api, invocation_id)
    path = f"/invocations/{quote(invocation_id, safe='')}"
    return invocation_of(await api.request("GET", path, {"journal": "false"}, expected="id"))


def _query(wanted: InvocationFilter) -> dict[str, str]:
    asked = {
        "status": ",".join(sorted(wanted.status)) if wanted.status is not None else None,
        "service": wanted.service,
        "handler": wanted.handler,
        "key": wanted.key,
        "text": wanted.text,
        "created_after": _iso(wanted.created_after),
        "created_before": _iso(wanted.created_before),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
