"""A scripted model streams as the Responses API does."""

from __future__ import annotations

import pytest
from agents import Agent, Runner, function_tool, set_tracing_disabled

from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@function_tool
async def get_weather(city: str) -> str:
    """The weather."""
    return f"{city}: 22"


async def test_the_runner_makes_the_same_of_a_stream_as_of_an_answer() -> None:
    def agent() -> Agent[None]:
        turns = [[ToolCall("get_weather", {"city": "Rome"}), ToolCall("get_weather")], "It is  22\ndegrees."]
        return Agent(name="A", model=ScriptedModel(turns), tools=[get_weather])

    streamed = Runner.run_streamed(agent(), "hello")
    deltas = [
        event.data.delta
        async for event in streamed.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    plain = await Runner.run(agent(), "hello")
    assert streamed.to_input_list() == plain.to_input_list()
    assert streamed.context_wrapper.usage.total_tokens == plain.context_wrapper.usage.total_tokens == 30
    assert deltas == ["It ", "is  ", "22\n", "degrees."]


async def test_a_stream_can_be_broken_off_at_a_word() -> None:
    async def fall_silent(turn: int, token: int) -> None:
        if (turn, token) == (0, 2):
            raise ConnectionError("the line broke")

    model = ScriptedModel(["one two three"], before_token=fall_silent)
    heard: list[str] = []

    async def listen() -> None:
        async for event in model.stream_response(None, "hello"):
            heard.append(event.type)  # noqa: PERF401 - what was heard before it broke off counts

    with pytest.raises(ConnectionError):
        await listen()
    assert heard.count("response.output_text.delta") == 2
    assert model.calls == [0]
