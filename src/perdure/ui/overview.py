"""The overview: what runs, what waits for somebody, what it cost."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.inspection.admin_api import AdminApi
from perdure.inspection.invocation_list import InvocationFilter, count
from perdure.ui.invocations import WAITING
from perdure.ui.pages import page

COUNTED = {
    "running": frozenset({"running"}),
    "waiting": WAITING,
    "paused": frozenset({"paused"}),
    "failed": frozenset({"failed"}),
    "succeeded": frozenset({"succeeded"}),
}


def routes(api: AdminApi) -> list[BaseRoute]:
    async def overview(request: Request) -> Response:
        counts = await asyncio.gather(
            *(count(api, InvocationFilter(status=each)) for each in COUNTED.values())
        )
        return page(
            request,
            "overview.html",
            counts=dict(zip(COUNTED, counts, strict=True)),
            services=await api.services(),
        )

    return [Route("/", overview)]
