"""The agent whose process is killed while the provider works on its answer."""

from __future__ import annotations

import os
from datetime import timedelta

import restate
from agents import Agent, ModelSettings, OpenAIResponsesModel, set_tracing_disabled
from openai import AsyncOpenAI

from perdure import DurableRunner

set_tracing_disabled(True)

client = AsyncOpenAI(base_url=os.environ["MODEL_API"], api_key="none")
agent = Agent(
    name="Researcher",
    model=OpenAIResponsesModel("m", client),
    model_settings=ModelSettings(store=True, extra_args={"background": True}),
)
SOON = restate.InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=20),
    exponentiation_factor=1.0,
    max_interval=timedelta(milliseconds=50),
    max_attempts=10_000,
)
service = restate.Service("Research", invocation_retry_policy=SOON)


@service.handler()
async def ask(ctx: restate.Context, question: str) -> str:
    return str((await DurableRunner.run(agent, question)).final_output)


@service.handler()
async def tell(ctx: restate.Context, question: str) -> str:
    result = DurableRunner.run_streamed(agent, question)
    async for _ in result.stream_events():
        pass
    return str(result.final_output)


app = restate.app([service])
