"""Objects that keep things: what they are told to, a conversation, a workflow's promise."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import restate
from agents import Agent, function_tool

from perdure import DurableRunner, DurableSession
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>\u202eevil {{ 7*7 }}'

shelf = restate.VirtualObject("Shelf")
chat = restate.VirtualObject("Chat")
signup = restate.Workflow("Signup")


@shelf.handler()
async def put(ctx: restate.ObjectContext, entries: dict[str, Any]) -> None:
    for name, value in entries.items():
        ctx.set(name, value)


@shelf.handler()
async def hold(ctx: restate.ObjectContext) -> None:
    await ctx.sleep(timedelta(hours=1))


@function_tool
async def get_weather(city: str) -> dict[str, object]:
    """The weather."""
    return {"city": city, "degrees": 22, "sky": "clear"}


def answer(conversation: Input) -> str | ToolCall:
    last = conversation[-1]
    if "output" in last:  # type: ignore[operator]
        return "22 degrees and a clear sky. You will need no umbrella."
    said = str(last["content"])  # type: ignore[index, typeddict-item]
    if "weather" in said:
        return ToolCall("get_weather", {"city": "Rome"})
    return f"You said: {said}"


@chat.handler()
async def say(ctx: restate.ObjectContext, message: str) -> str:
    agent = Agent(name="Weather", tools=[get_weather], model=ScriptedModel([answer]))
    return str((await DurableRunner.run(agent, message, session=DurableSession())).final_output)


@signup.main()
async def run(ctx: restate.WorkflowContext) -> str:
    ctx.set("email", "ada@example.org")
    return await ctx.promise("confirmed").value()


app = restate.app([shelf, chat, signup])
