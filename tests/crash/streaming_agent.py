"""The agent whose process is killed at a word of a model's answer: the one that the test has named."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import restate
from agents import Agent, Runner, function_tool, set_tracing_disabled
from streamed_text import TEXT

from perdure.openai import durable
from perdure.testing.scripted_model import ScriptedModel, ToolCall

set_tracing_disabled(True)

ORDER = Path(os.environ["DIE_AT"])  # "turn token", taken away by who obeys
WORDS_MS = 10


async def die_where_told(turn: int, token: int) -> None:
    await asyncio.sleep(WORDS_MS / 1000)  # so that a reader has the words before
    if _is_told(f"{turn} {token}"):
        os.killpg(0, signal.SIGKILL)


def _is_told(word: str) -> bool:
    if not ORDER.exists() or ORDER.read_text() != word:
        return False
    ORDER.unlink()
    return True


@function_tool
async def get_weather(city: str) -> dict[str, Any]:
    """The weather."""
    return {"city": city, "degrees": 22}


agent = Agent(
    name="Weather",
    tools=[get_weather],
    model=ScriptedModel([ToolCall("get_weather", {"city": "Rome"}), TEXT], before_token=die_where_told),
)
SOON = restate.InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=20),
    exponentiation_factor=1.0,
    max_interval=timedelta(milliseconds=50),
    max_attempts=10_000,
)
service = restate.Service("Weather", invocation_retry_policy=SOON)


@service.handler()
@durable
async def ask(ctx: restate.Context, question: str) -> str:
    result = Runner.run_streamed(agent, question)
    async for _ in result.stream_events():
        pass
    return str(result.final_output)


app = restate.app([service])
