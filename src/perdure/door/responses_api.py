"""`/v1/responses`: create, retrieve, read on, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.door.answer import awaited, outcome, steps
from perdure.door.calls import Calls, Run
from perdure.door.errors import error_body, failure_response
from perdure.door.requests import ResponsesRequest, decode
from perdure.door.response_events import response_events
from perdure.door.response_object import response
from perdure.door.sse import event_stream, frame
from perdure.errors import OpenAIRequestError, RequestError

ID_HEADER = "x-restate-id"
CANCEL_WAIT_S = 5.0
"""So long an agent may clean up before the answer to a cancel is that it still does."""


class ResponsesApi:
    """One coroutine a route."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(self, request: Request, body: bytes) -> Response:
        """Whole, as a stream, or at once if it is for the background. It outlives a client that leaves."""
        asked = decode(body, ResponsesRequest)
        run = await self._calls.respond(request, asked)
        if asked.stream:
            return self._stream(run, after=-1)
        if asked.background:
            return await self._as_it_is(run)
        invocations, invocation = self._calls.invocations, run.invocation
        ended = await awaited(invocations, invocation.id)
        if ended.failed:
            return failure_response(ended.failed, _headers(run))
        return JSONResponse(response(invocation, run.model, ended), headers=_headers(run))

    async def retrieve(self, request: Request, response_id: str) -> Response:
        """As it is now, or its stream from the start or after an event."""
        run = await self._calls.find(response_id)
        if request.query_params.get("stream", "false") != "true":
            return await self._as_it_is(run)
        after = request.query_params.get("starting_after", "-1")
        if not after.removeprefix("-").isdigit():
            raise OpenAIRequestError(400, "starting_after: not a number", param="starting_after")
        return self._stream(run, int(after))

    async def cancel(self, request: Request, response_id: str) -> Response:
        """Ask it to end, and answer when it has. What has ended stays as it is."""
        run = await self._calls.find(response_id)
        invocations, invocation_id = self._calls.invocations, run.invocation.id
        if await outcome(invocations.log(invocation_id)) is None:
            await invocations.cancel(invocation_id)
            with suppress(TimeoutError):
                await asyncio.wait_for(invocations.finished(invocation_id), CANCEL_WAIT_S)
        return await self._as_it_is(await self._calls.find(response_id))

    async def _as_it_is(self, run: Run) -> Response:
        ended = await outcome(self._calls.invocations.log(run.invocation.id))
        return JSONResponse(response(run.invocation, run.model, ended), headers=_headers(run))

    def _stream(self, run: Run, after: int) -> Response:
        return event_stream(self._frames(run, after), _headers(run))

    async def _frames(self, run: Run, after: int) -> AsyncIterator[str]:
        number = -1
        try:
            log = self._calls.invocations.log(run.invocation.id)
            async for event in response_events(run.invocation, run.model, steps(log)):
                number = event["sequence_number"]
                if number > after:
                    yield frame(event, event["type"])
        except RequestError as error:  # no event of the answer: reading on from `number` is right
            body = error_body(error.status, error.message, None)
            yield frame({"type": "error", "sequence_number": number, **body}, "error")


def _headers(run: Run) -> dict[str, str]:
    return {ID_HEADER: run.invocation.id}
