"""Services: what can be called, and how each of them is set up."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.inspection.admin_api import AdminApi
from perdure.ui.pages import page


def routes(api: AdminApi) -> list[BaseRoute]:
    async def services(request: Request) -> Response:
        return page(request, "services.html", services=await api.services())

    async def service(request: Request) -> Response:
        found = await api.service(request.path_params["name"])
        about = await api.about()
        return page(request, "service.html", service=found, ingress_url=about.ingress_url)

    return [Route("/services", services), Route("/services/{name}", service)]
