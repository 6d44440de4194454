"""What the command line is pointed at: invocations that wait, fail, and end; an object and a workflow."""

from __future__ import annotations

from datetime import timedelta

import restate

greeter = restate.Service("Greeter")
counter = restate.VirtualObject("Counter")
signup = restate.Workflow("Signup")


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return await ctx.run_typed("compose", lambda: f"hello {name}")


@greeter.handler()
async def wait(ctx: restate.Context) -> str:
    await ctx.run_typed("look up", lambda: 1)
    _, answer = ctx.awakeable(type_hint=str)
    return await answer


@greeter.handler(invocation_retry_policy=restate.InvocationRetryPolicy(initial_interval=timedelta(hours=1)))
async def fail(ctx: restate.Context) -> None:
    raise ValueError("no such luck")


@counter.handler()
async def add(ctx: restate.ObjectContext, by: int) -> int:
    value = (await ctx.get("value", type_hint=int) or 0) + by
    ctx.set("value", value)
    return value


@signup.main()
async def run(ctx: restate.WorkflowContext) -> str:
    return ctx.key()


app = restate.app([greeter, counter, signup])
