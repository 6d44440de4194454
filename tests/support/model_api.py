"""A local HTTP server that is the part of OpenAI's API that models use, and counts what it is asked.

`POST /v1/chat/completions`, and of the Responses API: create (also in background mode), retrieve, cancel; the
first two also as streams.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import uvicorn
from agents import OpenAIResponsesModel
from free_port import free_port
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

TEXT = "hi"
UNFINISHED = ("queued", "in_progress")


@dataclass
class ModelApi:
    """statuses: of the answers to POSTs that ask a model, in order; the last one repeats.
    headers: of the answers that are not 200, by status.
    outcomes: what becomes of each background response: the status that it ends with, or for `failed` an
        error code; None to work on it until it is cancelled, or `finish()` is called.
    polls_max: how often a background response is still at work when somebody asks.
    poll_statuses: of the answers to the first GETs; then 200.
    held_after: so many events has the stream of a background response whose outcome is None, until it ends.
    broken_after: so many events has each of the first streams that are retrieved, before its connection
        breaks.
    delay_ms: before an answer of a model.
    error_code: in the body of the answers that are not 200.
    answer: the body of each answer of a model, instead of a well-formed one.
    """

    statuses: Sequence[int] = (200,)
    headers: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    outcomes: Sequence[str | None] = ("completed",)
    polls_max: int = 1
    poll_statuses: Sequence[int] = ()
    held_after: int = 2
    broken_after: Sequence[int] = ()
    delay_ms: int = 0
    error_code: str = "no"
    answer: bytes | None = None

    asked: list[int] = field(default_factory=list)  # the statuses that were answered, one a POST
    bodies: list[dict[str, Any]] = field(default_factory=list)
    sent_headers: list[Mapping[str, str]] = field(default_factory=list)
    created: list[str] = field(default_factory=list)  # ids of responses
    retrieved: list[str] = field(default_factory=list)
    polls: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)  # (query, headers) of each
    cancelled: list[str] = field(default_factory=list)
    streamed: int = 0  # how many streams were retrieved
    unknown: set[str] = field(default_factory=set)  # ids that the API does not know any more
    _responses: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
                Route("/v1/responses", self._create, methods=["POST"]),
                Route("/v1/responses/{id}", self._retrieve, methods=["GET"]),
                Route("/v1/responses/{id}/cancel", self._cancel, methods=["POST"]),
            ]
        )

    def finish(self, outcome: str = "completed") -> None:
        """End every background response that is at work."""
        for response in self._responses.values():
            if response["status"] in UNFINISHED:
                response.update(_ended(outcome))

    async def _ask(self, request: Request) -> Response | None:
        """Note that a model is asked; an answer if it is refused."""
        status = self.statuses[min(len(self.asked), len(self.statuses) - 1)]
        self.asked.append(status)
        self.bodies.append(await request.json())
        self.sent_headers.append(dict(request.headers))
        if self.delay_ms:
            await asyncio.sleep(self.delay_ms / 1000)
        if status == 200:
            return Response(self.answer, media_type="application/json") if self.answer else None
        error = {"message": f"refused with {status}", "code": self.error_code}
        return JSONResponse({"error": error}, status, dict(self.headers.get(status, {})))

    async def _complete(self, request: Request) -> Response:
        return await self._ask(request) or JSONResponse(COMPLETION, headers={"x-request-id": "req_1"})

    async def _create(self, request: Request) -> Response:
        if (refused := await self._ask(request)) is not None:
            return refused
        response_id = f"resp_{len(self.created) + 1}"
        self.created.append(response_id)
        response = {**RESPONSE, "id": response_id, "created_at": time.time()}
        if self.bodies[-1].get("background"):
            response |= {"status": "queued", "output": [], "usage": None, "background": True}
            self._responses[response_id] = response
        if self.bodies[-1].get("stream"):
            return self._stream(response, after=-1, broken_after=None)
        return JSONResponse(response, headers={"x-request-id": f"req_{response_id}"})

    async def _retrieve(self, request: Request) -> Response:
        response_id = request.path_params["id"]
        self.retrieved.append(response_id)
        self.polls.append((request.url.query, dict(request.headers)))
        if len(self.retrieved) <= len(self.poll_statuses):
            status = self.poll_statuses[len(self.retrieved) - 1]
            if status != 200:
                return JSONResponse({"error": {"message": f"poll {status}"}}, status)
        response = self._responses.get(response_id)
        if response is None or response_id in self.unknown:
            error = {"message": f"Response with id '{response_id}' not found.", "code": None}
            return JSONResponse({"error": error}, 404)
        if request.query_params.get("stream") == "true":
            self.streamed += 1
            after = int(request.query_params.get("starting_after", -1))
            return self._stream(response, after, dict(enumerate(self.broken_after, 1)).get(self.streamed))
        outcome = self._outcome(response_id)
        if (
            response["status"] in UNFINISHED
            and outcome is not None
            and self.retrieved.count(response_id) > self.polls_max
        ):
            response.update(_ended(outcome))
        return JSONResponse(response, headers={"x-request-id": f"req_{response_id}"})

    def _outcome(self, response_id: str) -> str | None:
        return self.outcomes[min(self.created.index(response_id), len(self.outcomes) - 1)]

    def _stream(self, response: dict[str, Any], after: int, broken_after: int | None) -> Response:
        headers = {"x-request-id": f"req_{response['id']}"}
        events = self._events(response, after, broken_after)
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    async def _events(
        self, response: dict[str, Any], after: int, broken_after: int | None
    ) -> AsyncIterator[str]:
        for number, event in enumerate(_story(response)):
            if number == broken_after:
                raise ConnectionResetError("the line breaks")
            if response.get("background") and self._outcome(response["id"]) is None:
                while number >= self.held_after and response["status"] in UNFINISHED:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            if event["type"] == "end":
                if response["status"] in UNFINISHED:
                    response.update(_ended(self._outcome(response["id"]) or "completed"))
                if response["status"] == "cancelled":
                    return  # no event says so
                event = {"type": f"response.{response['status']}", "response": response}
            if number > after:
                yield f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n"

    async def _cancel(self, request: Request) -> Response:
        response_id = request.path_params["id"]
        self.cancelled.append(response_id)
        self._responses[response_id].update(_ended("cancelled"))
        return JSONResponse(self._responses[response_id])


def _story(response: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a response without their numbers. The last one depends on how it ends."""
    started = {**response, "output": [], "usage": None}
    if response["status"] not in UNFINISHED:
        started["status"] = "queued" if response.get("background") else "in_progress"
    (message,) = RESPONSE["output"]
    (part,) = message["content"]
    at = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": {**started, "status": "in_progress"}}
    begun = {**message, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": 0, "item": begun}
    yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
    for letter in TEXT:
        yield {"type": "response.output_text.delta", **at, "delta": letter, "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": TEXT, "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": message}
    yield {"type": "end"}


def _ended(outcome: str) -> dict[str, Any]:
    if outcome == "completed":
        return {"status": "completed", "output": RESPONSE["output"], "usage": RESPONSE["usage"]}
    if outcome == "incomplete":
        return {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    if outcome == "cancelled":
        return {"status": "cancelled"}
    return {"status": "failed", "error": {"code": outcome, "message": f"the model failed with {outcome}"}}


def client_of(api: ModelApi, base_url: str) -> AsyncOpenAI:
    """A client that believes to talk to whoever is at that address. It needs no port."""
    transport = httpx2.ASGITransport(app=api.app)
    http = httpx2.AsyncClient(transport=transport)
    return AsyncOpenAI(base_url=base_url, api_key="k", http_client=http, max_retries=0)


@asynccontextmanager
async def served(api: ModelApi) -> AsyncIterator[str]:
    """Serve it on a free port of this machine; the base URL of its API."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(api.app, port=port, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        await serving


COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 0,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
RESPONSE: dict[str, Any] = {
    "object": "response",
    "model": "m",
    "status": "completed",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": TEXT, "annotations": []}],
        }
    ],
    "usage": {
        "input_tokens": 3,
        "output_tokens": 2,
        "total_tokens": 5,
        "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 1},
    },
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "error": None,
    "incomplete_details": None,
}


ModelOf = Callable[[ModelApi], Awaitable[OpenAIResponsesModel]]


@asynccontextmanager
async def models() -> AsyncIterator[ModelOf]:
    """Makes models over HTTP, each of an API that is served until the end of the block."""
    async with AsyncExitStack() as stack:

        async def model(api: ModelApi) -> OpenAIResponsesModel:
            url = await stack.enter_async_context(served(api))
            client = await stack.enter_async_context(AsyncOpenAI(base_url=url, api_key="k", max_retries=5))
            return OpenAIResponsesModel("m", client)

        yield model
