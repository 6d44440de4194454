"""What virtual objects and workflows keep: services, their keys, and one object."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.errors import RequestError
from perdure.inspection import objects, state
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.objects import StateTotals
from perdure.ui import entry_text, session_view
from perdure.ui.pages import page
from perdure.ui.sessions import sessions

OBJECTS_A_PAGE = 50
ENTRIES_A_PAGE = 50
PREVIEW_BYTES_MAX = 1_024
_NOTHING = StateTotals(0, 0, 0)


def routes(api: AdminApi) -> list[BaseRoute]:
    async def services(request: Request) -> Response:
        began = time.monotonic()
        known, kept = await asyncio.gather(api.services(), objects.totals(api))
        every_ms = _pause_ms(began)
        kinds: dict[str, str | None] = dict.fromkeys(kept)  # state may outlive its service
        kinds |= {service.name: service.kind for service in known if service.kind != "service"}
        rows = [(name, kind, kept.get(name, _NOTHING)) for name, kind in sorted(kinds.items())]
        return page(request, "state.html", services=rows, every_ms=every_ms)

    async def keys(request: Request) -> Response:
        service = request.path_params["service"]
        text, after = request.query_params.get("q", ""), request.query_params.get("after")
        began = time.monotonic()
        found = await objects.objects(api, service, text=text, after=after, limit=OBJECTS_A_PAGE)
        return page(
            request,
            "state_keys.html",
            service=service,
            text=text,
            after=after,
            found=found,
            every_ms=_pause_ms(began),
        )

    async def one_object(request: Request) -> Response:
        service, key = request.path_params["service"], key_of(request)
        text, after = request.query_params.get("q", ""), request.query_params.get("after")
        use, promises, told = await asyncio.gather(
            objects.use(api, service, key),
            objects.promises(api, service, key),
            sessions(api, service, key, _until(request)),
        )
        kept = await state.entries(
            api,
            service,
            key,
            text=text,
            # What the conversation shows is not shown again, but whoever searches finds it.
            without=() if text else [session_view.item_name_prefix(session.name) for session in told],
            after=after,
            limit=ENTRIES_A_PAGE,
            value_bytes_max=PREVIEW_BYTES_MAX,
        )
        return page(
            request,
            "state_object.html",
            service=service,
            key=key,
            use=use,
            promises=promises,
            sessions=told,
            kept=kept,
            text=text,
            after=after,
            preview=_preview,
            digest=entry_text.digest,
            item_name=session_view.item_name,
        )

    return [
        Route("/state", services),
        Route("/state/{service}", keys),
        Route("/state/{service}/object", one_object),
    ]


def _pause_ms(began: float) -> int:
    """How long the page waits before it asks again. It counts all objects, and counting 100,000 of them every
    three seconds is more than it is worth to see a new one at once.
    """
    return 3_000 if time.monotonic() - began < 0.3 else 30_000


def key_of(request: Request) -> str:
    """The object's. Raises RequestError(400) where the address names none."""
    key: str | None = request.query_params.get("key")
    if key is None:
        raise RequestError(400, "the address of an object's page ends in ?key=...")
    return key


def _until(request: Request) -> dict[str, int]:
    """`?session=main&until=40`: an earlier part of one session."""
    name, until = request.query_params.get("session", ""), request.query_params.get("until", "")
    return {name: int(until)} if until.isascii() and until.isdigit() and len(until) < 10 else {}


def _preview(value: bytes) -> str:
    """As it is, in one line."""
    text = entry_text.shown(value) if entry_text.kind_of(value) == "bytes" else value.decode()
    return " ".join(text.split())
