"""The OpenAI Agents SDK itself, unmodified: an agent here, whose model is a durable agent there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from agents import (
    Agent,
    Model,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

pytestmark = pytest.mark.anyio

TOKYO = "It is 22 degrees in Tokyo."


@pytest.fixture(params=[OpenAIResponsesModel, OpenAIChatCompletionsModel], ids=["responses", "chat"])
def model(request: pytest.FixtureRequest, client: AsyncOpenAI) -> Callable[[str], Model]:
    set_tracing_disabled(True)
    return lambda name: request.param(name, client)


async def test_a_run(model: Callable[[str], Model]) -> None:
    result = await Runner.run(Agent(name="Front", model=model("Weather/ask")), "How is it in Tokyo?")
    assert result.final_output == TOKYO


async def test_a_streamed_run(model: Callable[[str], Model]) -> None:
    result = Runner.run_streamed(Agent(name="Front", model=model("Weather/ask")), "How is it in Tokyo?")
    deltas = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    assert "".join(deltas) == result.final_output == TOKYO


async def test_a_conversation(model: Callable[[str], Model]) -> None:
    agent, session = Agent(name="Front", instructions="Be brief.", model=model("Echo")), SQLiteSession("s")
    first = await Runner.run(agent, "I am Ada.", session=session)
    assert first.final_output == "system: Be brief.; user: I am Ada."
    second = await Runner.run(agent, "Who am I?", session=session)
    assert second.final_output == f"{first.final_output}; assistant: {first.final_output}; user: Who am I?"


async def test_a_handoff_between_durable_agents_is_theirs_to_make(model: Callable[[str], Model]) -> None:
    front = Agent(name="Front", model=model("Weather/ask"), handoffs=[Agent(name="Other")])
    with pytest.raises(Exception, match="has its own tools"):
        await Runner.run(front, "How is it?")


async def test_a_conversation_that_the_object_keeps(client: AsyncOpenAI) -> None:
    agent = Agent(name="Front", model=OpenAIResponsesModel("Chat", client))
    first = await Runner.run(agent, "I am Ada.")
    second = await Runner.run(agent, "Who am I?", previous_response_id=first.last_response_id)
    assert second.final_output == "user: I am Ada.; assistant: user: I am Ada.; user: Who am I?"
