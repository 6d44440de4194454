"""The approvals inbox: every tool call that waits for a human's word, and what became of the last ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from perdure.errors import RequestError
from perdure.inspection import approvals, decisions
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.approvals import Approval
from perdure.ui.actions import act, form
from perdure.ui.pages import base, page, see_other
from perdure.ui.remembered import Remembered
from perdure.ui.waiting_approvals import waiting_approvals

NAME_COOKIE = "perdure-name"
NAME_CHARS_MAX = 100
NAME_KEPT_S = 400 * 86_400
ARGUMENTS_CHARS_MAX = 65_536
"""Who approves should read all of it, so it is cut late."""
WAITING_SHOWN_MAX = 100
"""Those that wait longest; the next ones come as these are decided."""


def routes(api: AdminApi) -> list[BaseRoute]:
    # With each refresh of every tab: among very many that wait it takes long to find those that have expired.
    recently = Remembered[None, list[Approval]](lambda _: approvals.recent(api))

    async def inbox(request: Request) -> Response:
        return _page(
            request,
            "approvals.html",
            waiting=await approvals.pending(api),
            recent=await approvals.recent(api),
            name=_name(request),
        )

    async def waiting(request: Request) -> Response:
        """What the inbox follows: decisions of others, and new questions."""
        return _page(request, "approvals_waiting.html", waiting=await waiting_approvals(request))

    async def recent(request: Request) -> Response:
        """What the inbox follows of the last decisions."""
        return _page(request, "approvals_recent.html", recent=await recently(None))

    async def count(request: Request) -> Response:
        """What the navigation shows on every page."""
        return page(request, "approvals_count.html", count=len(await waiting_approvals(request)))

    async def decide(request: Request) -> Response:
        fields = await form(request)

        async def decided() -> str:
            approved = _verb(fields) == "approve"
            approval = await decisions.decide(
                api,
                request.path_params["id"],
                approved=approved,
                message=_lines(fields.get("message", "")) or None,
                always=fields.get("always") == "yes",
                by=_name(request) or None,
            )
            return f"{'Approved' if approved else 'Rejected'}: {approval.tool} of {approval.target}"

        return await act(request, fields, decided)

    async def decided(request: Request) -> Response:
        """What became of one, for those who show it elsewhere; nothing while it waits."""
        found = await approvals.find(api, request.path_params["id"])
        is_over = found is not None and found.status != "pending"
        return _page(
            request,
            "approvals_decided.html",
            id=request.path_params["id"],
            approval=found if is_over else None,
        )

    async def arguments(request: Request) -> Response:
        """All of them, as they are in the journal."""
        found = await approvals.find(api, request.path_params["id"])
        if found is None:
            raise RequestError(404, f"no approval {request.path_params['id']!r}")
        return PlainTextResponse(arguments_text(found).encode("utf-8", "backslashreplace"))

    async def remember_name(request: Request) -> Response:
        name = (await form(request)).get("by", "").strip()[:NAME_CHARS_MAX]
        response = see_other(request, "approvals")
        path = base(request) or "/"
        response.set_cookie(
            NAME_COOKIE, quote(name), max_age=NAME_KEPT_S, path=path, httponly=True, samesite="strict"
        )
        return response

    return [
        Route("/approvals", inbox),
        Route("/approvals/waiting", waiting),
        Route("/approvals/recent", recent),
        Route("/approvals/count", count),
        Route("/approvals/name", remember_name, methods=["POST"]),
        Route("/approvals/{id}", decide, methods=["POST"]),
        Route("/approvals/{id}/arguments", arguments),
        Route("/approvals/{id}/decided", decided),
    ]


def arguments_text(approval: Approval) -> str:
    """JSON, a value a line. Numbers stand as Python wrote them: nobody reads 1,000 for 1000.0 here."""
    return json.dumps(approval.arguments, indent=2, ensure_ascii=False)


def _arguments_line(approval: Approval) -> str:
    return json.dumps(approval.arguments, ensure_ascii=False)


_BADGES = {  # of a status: the class and the icon
    "approved": ("done", "done"),
    "rejected": ("failed", "failed"),
    "no decision": ("warning", "warning"),
    "expired": ("warning", "clock"),
    "ended": ("unknown", "stop"),
}


def _page(request: Request, template: str, **values: object) -> Response:
    return page(
        request,
        template,
        status=200,
        arguments_text=arguments_text,
        arguments_line=_arguments_line,
        arguments_chars_max=ARGUMENTS_CHARS_MAX,
        waiting_shown_max=WAITING_SHOWN_MAX,
        badges=_BADGES,
        **values,
    )


def _verb(fields: Mapping[str, str]) -> str:
    verb = fields.get("decision", "")
    if verb not in ("approve", "reject"):
        raise RequestError(400, f"a decision is `approve` or `reject`, not {verb!r}")
    return verb


def _lines(text: str) -> str:
    """As it was typed: forms send CRLF."""
    return text.replace("\r\n", "\n").strip()


def _name(request: Request) -> str:
    return unquote(request.cookies.get(NAME_COOKIE, ""))[:NAME_CHARS_MAX]
