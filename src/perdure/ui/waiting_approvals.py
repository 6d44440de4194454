"""The approvals that wait, found once for all pages and tabs that show them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request

from perdure.inspection import approvals
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.approvals import Approval
from perdure.ui.remembered import Remembered


def remember_waiting(app: Starlette, api: AdminApi) -> None:
    """For all requests to this app."""
    app.state.waiting = Remembered[None, list[Approval]](lambda _: approvals.pending(api))


async def waiting_approvals(request: Request) -> list[Approval]:
    """As they are, or were a moment ago. Of a restate-server that may take seconds."""
    remembered: Remembered[None, list[Approval]] = request.app.state.waiting
    return await remembered(None)
