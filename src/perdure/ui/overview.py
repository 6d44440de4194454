"""The overview: what runs, what waits for somebody, what it cost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.errors import RequestError
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.approvals import Approval
from perdure.inspection.invocation_list import InvocationFilter, counts
from perdure.inspection.invocation_list import page as page_of
from perdure.inspection.records import Invocation
from perdure.ui import activity
from perdure.ui.invocations import WAITING
from perdure.ui.pages import page
from perdure.ui.try_line import first_try
from perdure.ui.waiting_approvals import waiting_approvals

COUNTED = {
    "running": frozenset({"running"}),
    "waiting": WAITING,
    "paused": frozenset({"paused"}),
    "failed": frozenset({"failed"}),
    "succeeded": frozenset({"succeeded"}),
}
NEEDS_SOMEBODY: Mapping[str, timedelta | None] = {
    "paused": None,
    "backing-off": None,
    "failed": timedelta(days=1),
}
"""What is shown, and how long after its creation: who has not looked at a failure for a day will not."""
SHOWN = 5
APPROVALS_TIMEOUT_S = 1
"""Of a restate-server they are found in the journals of all that is under way, which may be much."""


def routes(api: AdminApi) -> list[BaseRoute]:
    async def overview(request: Request) -> Response:
        by_status, services, deployments, troubled = await asyncio.gather(
            counts(api),
            api.services(),
            api.deployments(),
            asyncio.gather(*(_newest(api, status, within) for status, within in NEEDS_SOMEBODY.items())),
        )
        amounts = {name: sum(by_status.get(each, 0) for each in of) for name, of in COUNTED.items()}
        waiting = (
            await _in_time(waiting_approvals(request)) if amounts["running"] + amounts["waiting"] else []
        )
        return page(
            request,
            "overview.html",
            counts=amounts,
            services=services,
            deployments=deployments,
            approvals=waiting,
            troubled=[each for found in troubled for each in found],
            shown=SHOWN,
            example=first_try((await api.about()).ingress_url, services),
            admin_url=api.url,
            span=request.query_params.get("span", activity.SPAN_DEFAULT),
        )

    return [Route("/", overview), *activity.routes(api)]


async def _in_time(found: Awaitable[list[Approval]]) -> list[Approval] | None:
    """The approvals that wait; None if that cannot be told in time."""
    try:
        async with asyncio.timeout(APPROVALS_TIMEOUT_S):
            return await found
    except (TimeoutError, RequestError):
        return None


async def _newest(api: AdminApi, status: str, within: timedelta | None) -> Sequence[Invocation]:
    after = None if within is None else datetime.now(UTC) - within
    wanted = InvocationFilter(status=frozenset({status}), created_after=after)
    return (await page_of(api, wanted, limit=SHOWN)).items
