"""The answer to a reader of a stream.

A reader holds an index and no queue: it reads on from the store when its socket takes more. So one that is
slow holds up nobody, and costs what one batch of events costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from perdure.errors import RequestError
from perdure.stream_answers.cursor import first_index
from perdure.stream_answers.log import Log
from perdure.stream_answers.text_view import TextView
from perdure.streams import sse
from perdure.streams.events import END, StreamEvent

KEEP_ALIVE_S = 15.0
EVENTS_PER_READ = 200


def check(request: Request) -> None:
    """Raises RequestError(400) for a request that makes no sense, whatever there is to read."""
    _view(request)
    first_index(request, 0)


async def stream_answer(request: Request, invocation_id: str, log: Log) -> Response:
    """200 with the events from the reader's index on, until `end`: server-sent, or plain text (`view=text`).

    204 when the reader has all of a stream that has ended: an EventSource then comes back no more. 416 for an
    index that no event has yet, nor has the next one. Raises RequestError: 404 for an unknown invocation, 400
    for a request that makes no sense.
    """
    view = _view(request)
    count, ended = await log.extent()
    start = first_index(request, count)
    headers = {"x-restate-id": invocation_id, "cache-control": "no-store", "x-accel-buffering": "no"}
    if start > count:
        return _past_the_end(start, count, headers)
    if ended and start == count:
        return Response(status_code=204, headers=headers)
    if view == "text":
        return StreamingResponse(_text(log, start), 200, headers, "text/plain; charset=utf-8")
    return StreamingResponse(_server_sent(log, start), 200, headers, sse.MEDIA_TYPE)


def _view(request: Request) -> str:
    view = request.query_params.get("view", "events")
    if view not in ("events", "text"):
        raise RequestError(400, f"view {view!r}: there is 'text', and server-sent events without a view")
    return view


def _past_the_end(start: int, count: int, headers: dict[str, str]) -> Response:
    message = f"there is no event {start}: the stream has {count} events, counted from 0"
    body = {"code": 416, "message": message, "source": "ingress", "events": count}
    return JSONResponse(body, 416, {**headers, "x-restate-error-source": "ingress"})


async def _server_sent(log: Log, start: int) -> AsyncIterator[bytes]:
    yield sse.RETRY
    async for events in _batches(log, start):
        yield sse.frames(events) if events else sse.KEEP_ALIVE


async def _text(log: Log, start: int) -> AsyncIterator[bytes]:
    # From the first event on, whatever the reader asks for: what an `attempt` supersedes may stand before it.
    view = TextView()
    async for events in _batches(log, 0):
        texts = [(event.index, view.add(event)) for event in events]
        if text := "".join(text for index, text in texts if index >= start):
            yield text.encode()


async def _batches(log: Log, index: int) -> AsyncIterator[list[StreamEvent]]:
    """Events as they come; an empty list when none came for a while. Ends after `end`, and when the log
    fails: the answer has begun, so the reader learns why when it comes back."""
    try:
        while True:
            events = await log.read(index, EVENTS_PER_READ)
            if events:
                yield events
                if events[-1].type == END:
                    return
                index += len(events)
                continue
            try:
                await asyncio.wait_for(log.grown(index), KEEP_ALIVE_S)
            except TimeoutError:
                yield []
    except RequestError:
        return
