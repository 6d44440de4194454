"""The list of invocations: filtered by what its address says, newest first, a page at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.errors import RequestError
from perdure.inspection import invocation_list
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.invocation_list import InvocationFilter
from perdure.ui import chosen_invocations
from perdure.ui.pages import page, url
from perdure.ui.try_line import first_try

PAGE_SIZE = 50
TRAIL_MAX = 50
"""So many pages can be gone back; then there is the newest."""
SINCE = {
    "5m": ("last 5 minutes", timedelta(minutes=5)),
    "1h": ("last hour", timedelta(hours=1)),
    "24h": ("last 24 hours", timedelta(days=1)),
    "7d": ("last 7 days", timedelta(days=7)),
}
WAITING = frozenset({"scheduled", "pending", "suspended", "backing-off"})
STATUS_GROUPS = {"waiting": WAITING, "unfinished": WAITING | {"running", "paused"}}
"""Choices beside the statuses themselves."""
TABS = ("running", "waiting", "paused", "failed", "succeeded")
FIELDS = ("q", "status", "service", "handler", "key", "since", "after", "before")


def routes(api: AdminApi) -> list[BaseRoute]:
    async def invocations(request: Request) -> Response:
        given = {name: value for name in FIELDS if (value := request.query_params.get(name, "").strip())}
        wanted = filter_of(given)
        cursor = request.query_params.get("cursor")
        found, counts, services = await asyncio.gather(
            invocation_list.page(api, wanted, cursor, PAGE_SIZE), _counts(api, wanted), api.services()
        )
        return page(
            request,
            "invocations.html",
            given=given,
            found=found.items,
            verbs=chosen_invocations.VERBS,
            tabs=[_tab(request, given, counts, name) for name in (None, *TABS)],
            services=services,
            statuses=(*STATUS_GROUPS, *invocation_list.STATUSES),
            since={name: words for name, (words, _) in SINCE.items()},
            is_first=cursor is None,
            newer=_newer(request, given),
            older=_older(request, given, found.next),
            example=first_try((await api.about()).ingress_url, services),
        )

    return [Route("/invocations", invocations, methods=["GET"])]


@dataclass(frozen=True, slots=True)
class Tab:
    """A status to choose, and how many there are of it; None: that would take too long to tell."""

    name: str
    href: str
    is_current: bool
    amount: int | None


def _tab(request: Request, given: dict[str, str], counts: Mapping[str, int] | None, name: str | None) -> Tab:
    href = url(request, "invocations", **{**given, "status": name})
    statuses = counts or {} if name is None else STATUS_GROUPS.get(name, frozenset({name}))
    amount = None if counts is None else sum(counts.get(status, 0) for status in statuses)
    return Tab(name or "all", href, given.get("status") == name, amount)


async def _counts(api: AdminApi, wanted: InvocationFilter) -> Mapping[str, int] | None:
    """Of each status, whichever is wanted. A text is in no index: each row would be read."""
    if wanted.text is not None:
        return None
    return await invocation_list.counts(api, replace(wanted, status=None))


def filter_of(given: dict[str, str]) -> InvocationFilter:
    """What the fields of the form ask for. Raises RequestError(400) for a time that is none."""
    status = given.get("status")
    after = _time(given.get("after"))
    if since := given.get("since"):
        if since not in SINCE:
            raise RequestError(400, f"no such span of time: {since!r}; there are {', '.join(SINCE)}")
        after = datetime.now(UTC) - SINCE[since][1]
    return InvocationFilter(
        status=None if status is None else STATUS_GROUPS.get(status, frozenset({status})),
        service=given.get("service"),
        handler=given.get("handler"),
        key=given.get("key"),
        text=given.get("q"),
        created_after=after,
        created_before=_time(given.get("before")),
    )


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise RequestError(400, f"{text!r} is no time: write 2026-11-23T07:20, in UTC") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _older(request: Request, given: dict[str, str], cursor: str | None) -> str | None:
    if cursor is None:
        return None
    here = request.query_params.get("cursor")
    trail = [*_trail(request.query_params), *([here] if here else [])]
    return url(request, "invocations", **given, cursor=cursor, trail=trail[-TRAIL_MAX:] or None)


def _newer(request: Request, given: dict[str, str]) -> str | None:
    """The page that led here: cursors go one way, so the way is in the address."""
    if "cursor" not in request.query_params:
        return None
    trail = _trail(request.query_params)
    before = trail[-1] if trail else None
    return url(request, "invocations", **given, cursor=before, trail=trail[:-1] or None)


def _trail(query: QueryParams) -> Sequence[str]:
    return query.getlist("trail")
