"""The agent of `streaming.py`."""

from __future__ import annotations

import os

import restate
from agents import Agent, OpenAIResponsesModel, set_tracing_disabled
from openai import AsyncOpenAI

from perdure import DurableRunner

set_tracing_disabled(True)

agent = Agent(
    name="Paced",
    model=OpenAIResponsesModel("m", AsyncOpenAI(base_url=os.environ["MODEL_URL"], api_key="none")),
)
service = restate.Service("Paced")


@service.handler()
async def speak(ctx: restate.Context, words_and_pace: str) -> int:
    """Returns the number of characters."""
    result = DurableRunner.run_streamed(agent, words_and_pace)
    async for _ in result.stream_events():
        pass
    return len(str(result.final_output))


app = restate.app([service])
