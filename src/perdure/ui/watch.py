"""A run as it happens, in a browser: the parts of its transcript as HTML, each sent anew when it has changed.

So a page that watches is made by the same templates as one that is loaded, and need not understand events. A
connection that breaks is made again by the browser, and begins from the first part.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from perdure.client import Client
from perdure.errors import ClientError, EngineUnreachable, InvocationFailed, RequestError
from perdure.inspection.admin_api import AdminApi
from perdure.streams.events import END, RUN, StreamEvent
from perdure.streams.sse import MEDIA_TYPE
from perdure.ui.ingress import Ingress
from perdure.ui.pages import fragment
from perdure.ui.transcript import Part, Transcript

GATHERED_MS = 60
"""What happens in this time is sent together."""
SILENCE_S = 15.0
NO_STREAMS = (
    "This ingress has no streams, so only the output is shown. To see runs as they happen, start "
    "`perdure gateway` in front of restate-server, and let RESTATE_INGRESS__ADVERTISED_ADDRESS name it."
)


def routes(api: AdminApi) -> list[BaseRoute]:
    ingress = Ingress(api)

    async def watch(request: Request) -> Response:
        sent = _sent(request, ingress, request.path_params["id"])
        return StreamingResponse(sent, media_type=MEDIA_TYPE, headers={"cache-control": "no-store"})

    return [Route("/watch/{id}", watch)]


class Watched:
    """The transcript of a run, as far as it has been read.

    missing: what is not shown, and why; None where all is.
    """

    def __init__(self, ingress: Ingress, invocation_id: str) -> None:
        self.transcript = Transcript()
        self.missing: str | None = None
        self.changed: set[str] = set()
        self.news = asyncio.Event()
        self._ingress = ingress
        self._id = invocation_id

    async def read(self) -> None:
        """To its end. What the ingress refuses is told in `missing`.

        Raises ClientError (ConnectionLost, say) and EngineUnreachable.
        """
        try:
            await self._read()
        except RequestError as error:
            self.missing = self.missing or error.message
        finally:
            self.news.set()

    async def _read(self) -> None:
        client = await self._ingress.client()
        try:
            async for event in client.stream(self._id):
                self._add(event)
        except RequestError as refused:
            if await self._ingress.is_perdure():
                raise
            # No such path, or no such invocation: restate-server does not say which.
            self.missing = NO_STREAMS
            self.news.set()
            try:
                self._add(await self._output(client))
            except RequestError:
                self.missing = refused.message
                raise refused from None

    def _add(self, event: StreamEvent) -> None:
        self.changed |= self.transcript.add(event)
        self.news.set()

    async def _output(self, client: Client) -> StreamEvent:
        told: dict[str, object]
        try:
            told = {"status": "succeeded", "output": await client.attach(self._id)}
        except InvocationFailed as error:
            told = {"status": "failed", "code": error.code, "message": error.message}
        return StreamEvent(0, END, json.dumps(told, default=repr), RUN, 0)


async def _sent(request: Request, ingress: Ingress, invocation_id: str) -> AsyncIterator[str]:
    """`data: {"parts": [{"id", "html"}], "order": [ids], "activity": text or null, "ended": bool, ...}`."""
    watched = Watched(ingress, invocation_id)
    reading = asyncio.create_task(watched.read())
    yield ": it begins\n\n"
    try:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(watched.news.wait(), SILENCE_S)
            if not watched.news.is_set():
                yield ": it goes on\n\n"
                continue
            await asyncio.sleep(GATHERED_MS / 1000)
            watched.news.clear()
            yield f"data: {json.dumps(_told(request, watched, ended=reading.done()))}\n\n"
            if reading.done():
                with suppress(ClientError, EngineUnreachable):  # the browser comes again
                    reading.result()
                return
    finally:
        reading.cancel()


def _told(request: Request, watched: Watched, *, ended: bool) -> dict[str, object]:
    transcript = watched.transcript
    changed, watched.changed = watched.changed, set()
    parts = transcript.parts()
    return {
        "parts": [{"id": part.id, "html": part_html(request, part)} for part in parts if part.id in changed],
        "order": [part.id for part in parts],
        "activity": transcript.activity,
        "missing": watched.missing,
        "hidden": transcript.hidden,
        "ended": ended and (transcript.end is not None or watched.missing is not None),
    }


def part_html(request: Request, part: Part) -> str:
    """One part, as templates/transcript.html shows it."""
    return fragment(request, "transcript_part.html", part=part)
