"""The playground: a handler's input as a form, sent to the ingress, and the run watched.

The form posts to itself, and is answered with the form as it is then; static/playground.js takes from that
answer what has changed. So all of it works without scripts.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.client import SendHandle
from perdure.errors import ClientError, RequestError
from perdure.inspection import invocation_list
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.deployments import Handler, Service
from perdure.inspection.journal import WHOLE_VALUE_BYTES_MAX, journal
from perdure.ui import actions
from perdure.ui.ingress import Ingress
from perdure.ui.pages import page
from perdure.ui.trial import Trial


def routes(api: AdminApi) -> list[BaseRoute]:
    ingress = Ingress(api)

    async def index(request: Request) -> Response:
        q = request.query_params.get("q", "").strip()
        return page(
            request, "playground_index.html", services=callable_services(await api.services(), q), q=q
        )

    async def playground(request: Request) -> Response:
        services = await api.services()
        service, handler = find(services, request.path_params["service"], request.path_params["handler"])
        fields = await actions.form(request) if request.method == "POST" else {}
        if (like := request.query_params.get("like")) and not fields:
            fields = await _filled_in(api, like)
        trial = Trial.of(service, handler, fields)
        sent: SendHandle | None = None
        if trial.what in ("call", "send") and trial.is_right:
            try:
                sent = await trial.send(ingress)
            except (RequestError, ClientError) as error:
                trial.refusal = str(error)
        return page(
            request,
            "playground.html",
            status=422 if trial.what in ("call", "send") and sent is None else 200,
            services=callable_services(services),
            service=service,
            handler=handler,
            trial=trial,
            form=trial.form,
            sent=sent,
            invocation_id=sent.id if sent else request.query_params.get("invocation"),
            is_followed=trial.what != "send",
            **await trial.lines(ingress),
        )

    return [
        Route("/playground", index),
        Route("/playground/{service}/{handler}", playground, methods=["GET", "POST"]),
    ]


async def _filled_in(api: AdminApi, invocation_id: str) -> dict[str, str]:
    """The form with the input of an invocation that there was. Raises RequestError(404)."""
    invocation, begun = await asyncio.gather(
        invocation_list.invocation(api, invocation_id),
        journal(api, invocation_id, 0, 1, WHOLE_VALUE_BYTES_MAX),
    )
    value = begun.steps[0].value if begun.steps else None
    text = (value or b"").decode(errors="replace")
    return {"do": "load", "load": text, "body": text, "key": invocation.key or ""}


def callable_services(services: list[Service], text: str = "") -> list[Service]:
    """Those with handlers whose target has the text."""
    wanted = text.lower()
    kept = [
        replace(
            service,
            handlers=[each for each in service.handlers if wanted in f"{service.name}/{each.name}".lower()],
        )
        for service in services
    ]
    return [service for service in kept if service.handlers]


def find(services: list[Service], service: str, handler: str) -> tuple[Service, Handler]:
    """Raises RequestError(404)."""
    for each in services:
        if each.name == service and (found := each.handler(handler)) is not None:
            return each, found
    raise RequestError(404, f"there is no handler {service}/{handler}")
