"""OpenAI's hosted multi-agent model, whose response stays open on a websocket while tools run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import restate
from agents import Agent, MaxTurnsExceeded, function_tool, set_tracing_disabled
from agents.extensions.experimental.hosted_multi_agent import OpenAIHostedMultiAgentModel
from journal_server import JournalServer, value_of
from openai import AsyncOpenAI
from websockets.asyncio.server import ServerConnection, serve

from perdure import DurableRunner

pytestmark = pytest.mark.anyio

CALL = {
    "id": "fc_1",
    "type": "function_call",
    "call_id": "call_1",
    "name": "look_up",
    "arguments": "{}",
    "status": "completed",
    "agent": {"agent_name": "/root/researcher"},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "phase": "final_answer",
    "content": [{"type": "output_text", "text": "found", "annotations": [], "logprobs": []}],
    "agent": {"agent_name": "/root"},
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 0.0,
    "model": "gpt-x",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}


class HostedAgents:
    """The part of OpenAI's API that they take: one response, which asks for a tool once."""

    def __init__(self) -> None:
        self.asked: list[str] = []  # types of frames
        self.closed = asyncio.Event()

    async def __call__(self, connection: ServerConnection) -> None:
        async for frame in connection:
            self.asked.append(json.loads(frame)["type"])
            for number, event in enumerate(self._answer(self.asked[-1])):
                await connection.send(json.dumps({"sequence_number": 10 * len(self.asked) + number, **event}))
        self.closed.set()

    def _answer(self, asked: str) -> list[dict[str, Any]]:
        if asked == "response.create":
            return [
                {"type": "response.created", "response": RESPONSE},
                {"type": "response.output_item.done", "output_index": 0, "item": CALL},
            ]
        return [
            {"type": "response.inject.created", "response_id": "resp_1"},
            {"type": "response.output_item.done", "output_index": 1, "item": MESSAGE},
            {"type": "response.completed", "response": {**RESPONSE, "output": [CALL, MESSAGE]}},
        ]


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@pytest.fixture
async def hosted() -> AsyncIterator[tuple[HostedAgents, Agent[Any]]]:
    agents = HostedAgents()

    @function_tool
    async def look_up() -> str:
        return "?"

    async with serve(agents, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        client = AsyncOpenAI(api_key="k", base_url=f"http://127.0.0.1:{port}/v1")
        model = OpenAIHostedMultiAgentModel("gpt-x", client)
        yield agents, Agent(name="Root", model=model, tools=[look_up])


def asked(agent: Agent[Any], streamed: bool, max_turns: int = 10, **options: Any) -> JournalServer:
    service = restate.Service("Agent")

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> str:
        try:
            if not streamed:
                return str((await DurableRunner.run(agent, message, max_turns=max_turns)).final_output)
            result = DurableRunner.run_streamed(agent, message, max_turns=max_turns)
            async for _event in result.stream_events():
                pass
            return str(result.final_output)
        except MaxTurnsExceeded:
            return "too many turns"

    app = restate.app([service])
    return JournalServer(app, "/invoke/Agent/run", request=b'"hello"', patience_s=5, **options)


STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["run", "run_streamed"])


@STREAMED
async def test_a_call_goes_on_with_the_response_of_the_one_before(hosted: Any, streamed: bool) -> None:
    agents, agent = hosted
    server = asked(agent, streamed)
    assert value_of(await server.run()) == "found"
    assert server.commands()[1:-1] == ["Run call LLM", "Run look_up", "Run call LLM"]
    assert agents.asked == ["response.create", "response.inject"]
    await asyncio.wait_for(agents.closed.wait(), 10)


@STREAMED
async def test_it_is_closed_with_a_run_that_does_not_come_to_its_end(hosted: Any, streamed: bool) -> None:
    agents, agent = hosted
    assert value_of(await asked(agent, streamed, max_turns=1).run()) == "too many turns"
    await asyncio.wait_for(agents.closed.wait(), 10)
    assert agent.model._active_response is None


@STREAMED
async def test_an_attempt_that_cannot_find_it_asks_for_no_other_one(hosted: Any, streamed: bool) -> None:
    """The connection of the attempt breaks once the tool has been called; the next attempt is told so."""
    agents, agent = hosted
    server = asked(agent, streamed, break_after={5})
    failure = (await server.run()).failure
    assert server.attempts == 2
    assert "the response of OpenAIHostedMultiAgentModel" in failure.message
    assert "Restart the invocation" in failure.message
    assert agents.asked == ["response.create"]
    await asyncio.wait_for(agents.closed.wait(), 10)
