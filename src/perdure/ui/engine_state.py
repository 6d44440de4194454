"""The line in the header that says which engine is shown, and that it answers: every page follows it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.inspection.admin_api import AdminApi
from perdure.ui.pages import page


def routes(api: AdminApi) -> list[BaseRoute]:
    async def engine_state(request: Request) -> Response:
        await api.request("GET", "/health")
        return page(request, "engine_state.html", about=await api.about())

    return [Route("/engine", engine_state)]
