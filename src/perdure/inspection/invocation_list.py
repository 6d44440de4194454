"""Lists of invocations: filtered, newest first, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from perdure.inspection.admin_api import AdminApi
from perdure.inspection.records import Invocation, invocation_of

STATUSES = ("scheduled", "pending", "running", "backing-off", "suspended", "paused", "succeeded", "failed")
"""What an invocation's `state` can be. A filter also takes `completed`, for both of the last."""

COUNT_MAX = 10_001
"""A count ends here: it means `more`."""


@dataclass(frozen=True, slots=True)
class InvocationFilter:
    """Which invocations; what is None asks for nothing.

    status: any of these, of STATUSES or `completed`. text: in the id, the target or the idempotency key.
    """

    status: frozenset[str] | None = None
    service: str | None = None
    handler: str | None = None
    key: str | None = None
    text: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


EVERYTHING = InvocationFilter()


@dataclass(frozen=True, slots=True)
class Page:
    """next: the cursor of the page behind it; None on the last one."""

    items: list[Invocation]
    next: str | None


async def page(
    api: AdminApi, wanted: InvocationFilter = EVERYTHING, cursor: str | None = None, limit: int = 50
) -> Page:
    """Newest first. cursor: the `next` of the page before. Raises RequestError(400) for a bad one."""
    found = [each for each in await _newest(api) if _matches(each, wanted)]
    start = int(cursor or 0)
    end = start + limit
    return Page(found[start:end], str(end) if end < len(found) else None)


async def count(api: AdminApi, wanted: InvocationFilter = EVERYTHING) -> int:
    """How many there are, counted up to COUNT_MAX."""
    return sum(_matches(each, wanted) for each in await _newest(api))


async def invocation(api: AdminApi, invocation_id: str) -> Invocation:
    """Raises RequestError(404)."""
    row = await api.request("GET", f"/invocations/{invocation_id}")
    return invocation_of(row)


async def _newest(api: AdminApi) -> list[Invocation]:
    answer = await api.request("GET", "/invocations", {"limit": "10000"}, expected="invocations")
    return [invocation_of(row) for row in answer["invocations"]]


def _matches(each: Invocation, wanted: InvocationFilter) -> bool:
    text = f"{each.id} {each.target} {each.idempotency_key or ''}"
    return (
        (wanted.status is None or bool(wanted.status & {each.status, each.state}))
        and wanted.service in (None, each.service)
        and wanted.handler in (None, each.handler)
        and wanted.key in (None, each.key)
        and (wanted.text is None or wanted.text in text)
        and (wanted.created_after is None or each.created_at >= wanted.created_after)
        and (wanted.created_before is None or each.created_at < wanted.created_before)
    )
