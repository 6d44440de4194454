"""Chat: a conversation with any handler that takes a text, and its runs as they happen.

It is what `perdure chat` is in a terminal. A message is an invocation, so a conversation outlives the page,
the browser and the engine's process.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from perdure.errors import ClientError, RequestError
from perdure.inspection.admin_api import AdminApi
from perdure.ui import actions, conversation
from perdure.ui.conversation import Partner
from perdure.ui.ingress import Ingress
from perdure.ui.pages import page, url
from perdure.ui.trial import takes_text

MESSAGE_CHARS_MAX = 1_000_000


def routes(api: AdminApi) -> list[BaseRoute]:
    ingress = Ingress(api)

    async def index(request: Request) -> Response:
        return page(request, "chat_index.html", partners=await _partners(api))

    async def chat(request: Request) -> Response:
        partners = await _partners(api)
        partner = _named(partners, request.path_params["service"], request.path_params["handler"])
        if (name := request.query_params.get("key")) is None:
            return RedirectResponse(url(request, "chat", partner.service, partner.handler, key=_new_name()))
        if not conversation.is_name(name, partner):
            raise RequestError(400, f"a conversation cannot be called {name!r}")
        fields = await actions.form(request) if request.method == "POST" else {}
        problem = await _say(ingress, partner, name, fields) if fields else None
        if fields and problem is None:
            return RedirectResponse(url(request, "chat", partner.service, partner.handler, key=name), 303)
        told = await conversation.turns(api, ingress, partner, name, request.query_params.get("cursor"))
        return page(
            request,
            "chat.html",
            status=422 if problem else 200,
            partners=partners,
            partner=partner,
            name=name,
            others=await conversation.latest(api, partner),
            turns=told.turns,
            older=told.older,
            is_newest="cursor" not in request.query_params,
            nonce=_new_name(),
            message=fields.get("message", ""),
            problem=problem,
        )

    return [
        Route("/chat", index),
        Route("/chat/{service}/{handler}", chat, methods=["GET", "POST"]),
    ]


async def _partners(api: AdminApi) -> list[Partner]:
    return [
        Partner(service.name, handler.name, handler.documentation, service.kind == "virtual_object")
        for service in await api.services()
        if service.public
        for handler in service.handlers
        if handler.public and takes_text(service, handler)
    ]


def _named(partners: list[Partner], service: str, handler: str) -> Partner:
    found = (each for each in partners if (each.service, each.handler) == (service, handler))
    if (partner := next(found, None)) is None:
        raise RequestError(404, f"{service}/{handler} is no handler that takes a text")
    return partner


def _new_name() -> str:
    return secrets.token_hex(6)


async def _say(ingress: Ingress, partner: Partner, name: str, fields: Mapping[str, str]) -> str | None:
    """Send the message. What is wrong, if it is not sent."""
    message = fields.get("message", "").replace("\r\n", "\n")
    if not message.strip():
        return "say something"
    if len(message) > MESSAGE_CHARS_MAX:
        return f"a message has at most {MESSAGE_CHARS_MAX:,} characters"
    nonce = fields.get("nonce", "")
    nonce = nonce if nonce.isalnum() and nonce.isascii() else _new_name()
    client = await ingress.client()
    try:
        await client.send(
            f"{partner.service}/{partner.handler}",
            message,
            key=name if partner.keyed else None,
            idempotency_key=conversation.idempotency_key(partner, name, nonce),
        )
    except (RequestError, ClientError) as error:
        return str(error)
    return None
