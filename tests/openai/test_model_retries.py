"""Model calls over real HTTP: what is tried again, when, by whom, and how often the server is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import restate
import uvicorn
from agents import (
    Agent,
    ModelRetrySettings,
    ModelSettings,
    OpenAIChatCompletionsModel,
    retry_policies,
    set_tracing_disabled,
)
from free_port import free_port
from journal_server import JournalServer, value_of
from openai import AsyncOpenAI, AuthenticationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure import DurableRunner

pytestmark = pytest.mark.anyio

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 0,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


@asynccontextmanager
async def model_server(*statuses: int) -> AsyncIterator[tuple[OpenAIChatCompletionsModel, list[int]]]:
    """A model over HTTP that answers with these statuses, one a request, and what it sent so far."""
    sent: list[int] = []

    async def complete(_request: Request) -> Response:
        status = statuses[min(len(sent), len(statuses) - 1)]
        sent.append(status)
        headers = {"retry-after": "7"} if status == 429 else {}
        return JSONResponse(ANSWER if status == 200 else {"error": {"message": "no"}}, status, headers)

    port = free_port()
    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="k", max_retries=5)
    try:
        async with client:
            yield OpenAIChatCompletionsModel("m", client), sent
    finally:
        server.should_exit = True
        await serving


def asked(agent: Agent[Any], **options: Any) -> JournalServer:
    service = restate.Service("Agent")
    set_tracing_disabled(True)

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> str:
        return str((await DurableRunner.run(agent, message)).final_output)

    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


async def test_a_busy_model_is_asked_again_once_per_journaled_try() -> None:
    async with model_server(503, 429, 200) as (model, sent):
        server = asked(Agent(name="A", model=model))
        assert value_of(await server.run()) == "hi"
        assert sent == [503, 429, 200], "the client's own five retries are off"
        assert server.commands() == [
            *("Input", "Run call LLM", "Sleep", "Run call LLM", "Sleep", "Run call LLM", "Output")
        ]
        again = asked(Agent(name="A", model=model))
        again.resume_from(server.journal[:-1])
        assert value_of(await again.run()) == "hi"
        assert len(sent) == 3, "a replay asks nobody"


async def test_a_wrong_key_is_final() -> None:
    async with model_server(401) as (model, sent):
        server = asked(Agent(name="A", model=model))
        output = await server.run()
        assert sent == [401]
        assert output.failure.code == 401
        assert AuthenticationError.__name__ in output.failure.message


async def test_retries_that_the_sdk_was_told_to_make_are_not_multiplied() -> None:
    retry = ModelRetrySettings(max_retries=1, policy=retry_policies.any(retry_policies.http_status([503])))
    async with model_server(503, 503, 503, 200) as (model, sent):
        server = asked(Agent(name="A", model=model, model_settings=ModelSettings(retry=retry)))
        output = await server.run()
        assert sent == [503, 503]
        assert "InternalServerError" in output.failure.message
        assert server.commands().count("Run call LLM") == 2
