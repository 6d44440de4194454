"""Deployments: where services run."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.inspection.admin_api import AdminApi
from perdure.ui.pages import page


def routes(api: AdminApi) -> list[BaseRoute]:
    async def deployments(request: Request) -> Response:
        return page(request, "deployments.html", deployments=await api.deployments())

    return [Route("/deployments", deployments)]
