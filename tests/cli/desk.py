"""What the commands are tried on: a service that waits, fails and retries, and an object with state."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import restate

agent = restate.Service("Agent", metadata={"team": "desk"})
notes = restate.VirtualObject("Notes", description="What is to be remembered.")


@agent.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    greeting = await ctx.run_typed("call LLM", lambda: f"hello {name}")
    rest = await ctx.service_call(nap, arg=0.05)
    return f"{greeting}, {rest}"


@agent.handler()
async def nap(ctx: restate.Context, seconds: float) -> str:
    await ctx.sleep(timedelta(seconds=seconds), name="pause")
    return "rested"


@agent.handler()
async def wait(ctx: restate.Context, label: str) -> str:
    """Until somebody resolves its awakeable."""
    _, answer = ctx.awakeable(type_hint=str)
    return await answer


@agent.handler()
async def fail(ctx: restate.Context, why: str) -> None:
    raise restate.TerminalError(why, status_code=404)


@agent.handler()
async def retry(ctx: restate.Context, why: str) -> None:
    raise RuntimeError(why)


@agent.handler()
async def work(ctx: restate.Context, seconds: float) -> int:
    async def effect() -> int:
        await asyncio.sleep(seconds)
        return 42

    return await ctx.run_typed("work", effect)


@notes.handler()
async def write(ctx: restate.ObjectContext, entries: dict[str, Any]) -> None:
    for name, value in entries.items():
        ctx.set(name, value)


app = restate.app([agent, notes])
