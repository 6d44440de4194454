"""Streamed runs on the SDK's own models, over HTTP, with replay at every await."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import restate
import uvicorn
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    set_tracing_disabled,
)
from agents.tracing import add_trace_processor, set_trace_processors
from free_port import free_port
from journal_server import JournalServer, value_of
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from stream_log import StreamLog

from perdure import DurableRunner
from perdure.streams.assemble import answer_text
from perdure.testing.response_events import response_events
from perdure.testing.scripted_model import ScriptedModel

pytestmark = pytest.mark.anyio

TEXT = "It is 22 degrees."


class Api:
    """Streams one answer, as either API does."""

    def __init__(self) -> None:
        self.asked = 0

    async def respond(self, request: Request) -> StreamingResponse:
        self.asked += 1
        answer = await ScriptedModel([TEXT]).get_response(None, "hello")
        events = (f"event: {e.type}\ndata: {e.model_dump_json()}\n\n" for e in response_events(answer))
        headers = {"x-request-id": "req_7"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    async def complete(self, request: Request) -> StreamingResponse:
        self.asked += 1
        return StreamingResponse(_chunks(), media_type="text/event-stream")


def _chunks() -> Any:
    for word in TEXT.split(" "):
        yield _chunk(delta={"role": "assistant", "content": word if word == "It" else f" {word}"})
    yield _chunk(delta={}, finish_reason="stop")
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    yield f"data: {json.dumps(_CHUNK | {'choices': [], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"


_CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "m"}


def _chunk(**choice: Any) -> str:
    return f"data: {json.dumps(_CHUNK | {'choices': [{'index': 0, 'finish_reason': None} | choice]})}\n\n"


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[AsyncOpenAI]:
    app = Starlette(
        routes=[
            Route("/v1/responses", api.respond, methods=["POST"]),
            Route("/v1/chat/completions", api.complete, methods=["POST"]),
        ]
    )
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    try:
        yield AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
    finally:
        server.should_exit = True
        await running


def told(event: Any) -> Any:
    """An event in so many words, with what changes from call to call left out."""
    if event.type != "raw_response_event":
        return event.type
    data = event.data.model_dump(mode="json")
    if "response" in data:
        data["response"].pop("created_at")
    return data


@pytest.mark.parametrize("of", [OpenAIResponsesModel, OpenAIChatCompletionsModel])
async def test_events_usage_and_ids_are_those_of_the_model_on_every_replay(of: Any) -> None:
    set_tracing_disabled(True)
    api = Api()
    seen: list[Any] = []

    async with serving(api) as client:
        settings = ModelSettings(include_usage=True, preserve_raw_usage=True)
        agent = Agent(name="A", model=of("m", client), model_settings=settings)
        theirs = Runner.run_streamed(agent, "hello")
        expected = [told(event) async for event in theirs.stream_events()]

        async def run(ctx: restate.Context, message: str) -> Any:
            result = DurableRunner.run_streamed(agent, message)
            seen.append([told(event) async for event in result.stream_events()])
            response = result.raw_responses[0]
            tokens = result.context_wrapper.usage.total_tokens
            return [result.final_output, tokens, response.request_id, response.raw_usage]

        service = restate.Service("Agent")
        service.handler("run")(run)
        log = StreamLog()
        server = JournalServer(
            restate.app([service]), "/invoke/Agent/run", b'"hello"', suspend_always=True, sink=log.sink
        )
        response = theirs.raw_responses[0]
        assert value_of(await server.run()) == [
            TEXT,
            theirs.context_wrapper.usage.total_tokens,
            response.request_id,
            response.raw_usage,
        ]
    assert seen[-1] == expected
    assert api.asked == 2
    assert theirs.context_wrapper.usage.total_tokens > 0
    assert answer_text(log.streams["default"]) == TEXT


async def test_spans_are_told_once() -> None:
    spans: list[str] = []

    class Told:
        def on_trace_start(self, trace: Any) -> None: ...
        def on_trace_end(self, trace: Any) -> None:
            spans.append(f"trace {trace.name}")

        def on_span_start(self, span: Any) -> None: ...
        def on_span_end(self, span: Any) -> None:
            spans.append(span.span_data.type)

        def shutdown(self) -> None: ...
        def force_flush(self) -> None: ...

    set_tracing_disabled(False)
    set_trace_processors([])
    add_trace_processor(Told())  # type: ignore[arg-type]
    try:
        async with serving(Api()) as client:
            agent = Agent(name="A", model=OpenAIResponsesModel("m", client))
            async for _ in Runner.run_streamed(agent, "hello").stream_events():
                pass
            theirs, spans[:] = list(spans), []

            async def run(ctx: restate.Context, message: str) -> Any:
                result = DurableRunner.run_streamed(agent, message)
                async for _ in result.stream_events():
                    pass
                return result.final_output

            service = restate.Service("Agent")
            service.handler("run")(run)
            server = JournalServer(
                restate.app([service]), "/invoke/Agent/run", b'"hello"', suspend_always=True
            )
            assert value_of(await server.run()) == TEXT
    finally:
        set_trace_processors([])
        set_tracing_disabled(True)
    assert sorted(spans) == sorted(theirs)
