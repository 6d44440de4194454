"""Services: what can be called, and how each of them is set up."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.inspection.admin_api import AdminApi
from perdure.ui.pages import page
from perdure.ui.try_line import try_line


def routes(api: AdminApi) -> list[BaseRoute]:
    async def services(request: Request) -> Response:
        return page(request, "services.html", services=await api.services())

    async def service(request: Request) -> Response:
        found = await api.service(request.path_params["name"])
        ingress_url = (await api.about()).ingress_url
        lines = {each.name: try_line(ingress_url, found, each) for each in found.handlers}
        return page(request, "service.html", service=found, lines=lines)

    return [Route("/services", services), Route("/services/{name}", service)]
