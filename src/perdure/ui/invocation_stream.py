"""What an invocation says while it runs: its stream, passed on from the ingress to the page that shows it.

The page may talk to nobody else. A connection that breaks is made again by the browser, which says what it
has.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from perdure.client import Client
from perdure.errors import ClientError, RequestError
from perdure.inspection.admin_api import AdminApi
from perdure.streams.events import StreamEvent
from perdure.streams.sse import MEDIA_TYPE
from perdure.ui.ingress import Ingress


def routes(api: AdminApi) -> list[BaseRoute]:
    ingress = Ingress(api)

    async def stream(request: Request) -> Response:
        seen = request.headers.get("last-event-id", "")
        from_index = int(seen) + 1 if seen.isascii() and seen.isdigit() else 0
        passed_on = _passed_on(await ingress.client(), request.path_params["id"], from_index)
        return StreamingResponse(passed_on, media_type=MEDIA_TYPE, headers={"cache-control": "no-store"})

    return [Route("/invocations/{id}/stream", stream)]


async def _passed_on(client: Client, invocation_id: str, from_index: int) -> AsyncIterator[str]:
    try:
        async for event in client.stream(invocation_id, from_index=from_index):
            yield _frame(event)
    except RequestError:  # purged, or an engine that has no streams: there is nothing to hear
        yield "event: none\ndata: {}\n\n"
    except ClientError:  # the connection broke: the browser asks again
        return


def _frame(event: StreamEvent) -> str:
    data = json.dumps({**event.data, "source": event.source})
    return f"id: {event.index}\nevent: {event.type}\ndata: {data}\n\n"
