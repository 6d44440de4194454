"""A guide to talk to, who asks for the weather and answers in ten words."""

import asyncio
import os

import restate
from agents import Agent, function_tool

from perdure import DurableRunner
from perdure.testing.scripted_model import ScriptedModel, ToolCall


@function_tool
def weather(city: str) -> str:
    return f"{city}: 21 degrees"


async def pace(turn: int, word: int) -> None:
    await asyncio.sleep(float(os.environ.get("PACE_S", "0")))


def answer(messages):
    if isinstance(messages, list) and messages[-1].get("type") == "function_call_output":
        return "one two three four five six seven eight nine ten"
    return ToolCall("weather", {"city": "Oslo"})


model = ScriptedModel([answer], before_token=pace)
agent = Agent(name="Guide", tools=[weather], model=model)
guide = restate.VirtualObject("Guide")
plain = restate.Service("Plain")


@guide.handler()
async def ask(ctx: restate.ObjectContext, question: str) -> str:
    result = DurableRunner.run_streamed(agent, question)
    async for _ in result.stream_events():
        pass
    return result.final_output


@guide.handler(kind="shared")
async def asked(ctx: restate.ObjectSharedContext) -> int:
    return 0


@plain.handler()
async def shout(ctx: restate.Context, text: str) -> str:
    if text == "fail":
        raise restate.TerminalError("out of breath", status_code=422)
    return f"{ctx.request().headers.get('x', '')}{text.upper()}"


app = restate.app([guide])
both = restate.app([guide, plain])
