"""The UI's ASGI app. It is mounted at /ui, by the embedded engine and by `perdure ui`."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from perdure.inspection.admin_api import AdminApi
from perdure.ui import (
    approvals,
    chat,
    chosen_invocations,
    deployments,
    engine_state,
    invocation,
    invocations,
    overview,
    playground,
    services,
    sql,
    state,
    state_entry,
    watch,
)
from perdure.ui.failures import FAILURE_PAGES
from perdure.ui.security import Guarded, GuardedApi
from perdure.ui.waiting_approvals import remember_waiting

PREFIX = "/ui"
STATIC = Path(__file__).parent / "static"
# In the order of the navigation. A module of pages gives `routes(api)`.
PAGES = (
    overview,
    invocations,
    chosen_invocations,
    invocation,
    approvals,
    state,
    state_entry,
    playground,
    watch,
    chat,
    services,
    deployments,
    sql,
    engine_state,
)


def ui_app(api: AdminApi, *, is_loopback: bool) -> ASGIApp:
    """The pages, without the prefix. is_loopback: whether it listens on a loopback address: see Guarded."""
    routes = [route for module in PAGES for route in module.routes(api)]
    static = Mount("/static", StaticFiles(directory=STATIC))
    app = Starlette(routes=[*routes, static], exception_handlers=FAILURE_PAGES)
    remember_waiting(app, api)
    return Guarded(app, is_loopback=is_loopback)


def mounted(api: AdminApi, *, is_loopback: bool, beside: ASGIApp | None = None) -> Starlette:
    """The UI at /ui, which `/` leads to; every other path is `beside`'s, the admin API."""
    routes: list[BaseRoute] = [Route("/", _to_the_ui), Mount(PREFIX, ui_app(api, is_loopback=is_loopback))]
    if beside is not None:
        routes.append(Mount("/", GuardedApi(beside, is_loopback=is_loopback)))
    return Starlette(routes=routes)


async def _to_the_ui(request: Request) -> Response:
    return RedirectResponse(f"{PREFIX}/")
