"""An agent in the harness: its model is asked once for each turn, however often the code is replayed."""

from __future__ import annotations

import pytest
import restate
from agents import Agent, function_tool, set_tracing_disabled

from perdure import DurableRunner
from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@function_tool
async def forecast(city: str) -> str:
    """The weather of tomorrow."""
    return f"rain in {city}"


@pytest.mark.parametrize("always_replay", [False, True])
async def test_an_agent_that_is_always_replayed_asks_its_model_no_more_often(always_replay: bool) -> None:
    set_tracing_disabled(True)
    model = ScriptedModel([ToolCall("forecast", {"city": "Oslo"}), "It will rain."])
    agent = Agent(name="Weather", model=model, tools=[forecast])
    service = restate.Service("Agent")

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> str:
        answer = await DurableRunner.run(agent, message, context=ctx)
        return str(answer.final_output)

    async with harness(service, always_replay=always_replay) as h:
        invocation = await h.send("Agent/run", "Will it rain?")
        assert await h.attach(invocation) == "It will rain."
        assert model.calls == [0, 1]
        attempts = (await h.describe(invocation))["attempt"]
        assert attempts > 2 if always_replay else attempts >= 1
