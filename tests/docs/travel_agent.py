"""The agent.py of the guide to the command line: it greets at list price, waits, fails, and keeps state."""

from datetime import timedelta
from typing import Any

import restate
from advisers import USED, at_openai
from agents import Agent

from perdure import DurableRunner

soon = restate.InvocationRetryPolicy(initial_interval=timedelta(milliseconds=50))
agent = restate.Service("Agent", invocation_retry_policy=soon)
conversation = restate.VirtualObject("Conversation")
used = {**USED, "input_tokens": 410, "output_tokens": 96, "input_tokens_details": {"cached_tokens": 0}}
greeter = Agent(name="Greeter", model=at_openai("hello Ada", used))
seats: list[str] = []


def book(name: str) -> str:
    seats.append(name)
    if seats == [name]:
        raise RuntimeError("sold out")
    return f"a seat for {name}"


@agent.handler()
async def run(ctx: restate.Context, name: str) -> str:
    if name == "Nowhere":
        raise restate.TerminalError("no such city", status_code=404)
    if name == "Luke":
        return await ctx.run_typed("book", book, name=name)
    greeting = (await DurableRunner.run(greeter, name)).final_output
    rest = await ctx.service_call(nap, arg=0.2)
    return f"{greeting}, {rest}"


@agent.handler()
async def nap(ctx: restate.Context, seconds: float) -> str:
    await ctx.sleep(timedelta(seconds=seconds), name="pause")
    return "rested"


@conversation.handler()
async def note(ctx: restate.ObjectContext, entries: dict[str, Any]) -> None:
    for name, value in entries.items():
        ctx.set(name, value)


app = restate.app([agent, conversation])
