"""A shop whose keeper is an agent: it looks an item up with a plain tool, and asks another service.

With a file `hold` in SHOP_DIRECTORY the tool never answers, once.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import restate
from agents import Agent, RunContextWrapper, function_tool

from perdure import DurableRunner, durable_tool, step
from perdure.testing.scripted_model import ScriptedModel, ToolCall

directory = Path(os.environ.get("SHOP_DIRECTORY", "."))
soon = restate.InvocationRetryPolicy(initial_interval=timedelta(milliseconds=20))
stock = restate.Service("Stock")
service = restate.Service("Shop", invocation_retry_policy=soon)


@stock.handler()
async def count(ctx: restate.Context, item: str) -> int:
    return 7


@function_tool
async def look_up(item: str) -> str:
    """Look an item up."""
    if (hold := directory / "hold").exists():
        hold.unlink()
        await asyncio.Event().wait()
    return f"{item}: 7 euros"


@durable_tool
async def ask_stock(wrapper: RunContextWrapper[restate.Context]) -> str:
    """Ask how many there are."""
    noted = await step("note", lambda: "noted")
    return f"{noted}: {await wrapper.context.service_call(count, arg='socks')}"


keeper = Agent(
    name="Keeper",
    model=ScriptedModel([ToolCall("look_up", {"item": "socks"}), ToolCall("ask_stock"), "seven"]),
    tools=[look_up, ask_stock],
)


@service.handler()
async def ask(ctx: restate.Context, question: str) -> str:
    return str((await DurableRunner.run(keeper, question, context=ctx)).final_output)


@service.handler()
async def fail(ctx: restate.Context, question: str) -> str:
    raise restate.TerminalError("closed", 409)


app = restate.app([stock, service])
