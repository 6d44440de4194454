"""Handlers that leave every kind of entry in their journals, for those who read journals."""

from __future__ import annotations

from datetime import timedelta

import restate
from restate.retry_policy import InvocationRetryPolicy
from restate.serde import BytesSerde

clerk = restate.Service("Clerk")
account = restate.VirtualObject("Account")
errand = restate.Workflow("Errand")


@clerk.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    """A run, a sleep, a call and a send."""
    greeting = await ctx.run_typed("call LLM", lambda: f"hello {name}")
    await ctx.sleep(timedelta(milliseconds=20), name="pause")
    balance = await ctx.object_call(add, key="ada", arg=5)
    ctx.service_send(echo, arg="later")
    return f"{greeting}, {balance}"


@clerk.handler()
async def echo(ctx: restate.Context, text: str) -> str:
    return text


@clerk.handler()
async def refuse(ctx: restate.Context, why: str) -> None:
    """A run that fails for good."""

    def refuse() -> None:
        raise restate.TerminalError(why, status_code=404)

    await ctx.run_typed("refuse", refuse)


@clerk.handler()
async def wait(ctx: restate.Context, note: str) -> str:
    """An awakeable; what it is resolved with."""
    awakeable_id, answer = ctx.awakeable(type_hint=str)
    await ctx.run_typed("note", lambda: f"{note} {awakeable_id}")
    return await answer


@clerk.handler()
async def many(ctx: restate.Context, steps: int) -> int:
    for number in range(steps):
        await ctx.run_typed(f"step {number}", lambda number=number: number)
    return steps


@clerk.handler()
async def large(ctx: restate.Context, size: int) -> str:
    await ctx.run_typed("large", lambda: "x" * size)
    return "done"


@clerk.handler()
async def forward(ctx: restate.Context, size: int) -> int:
    """A call with a large parameter."""
    return await ctx.service_call(measure, arg="x" * size)


@clerk.handler()
async def measure(ctx: restate.Context, text: str) -> int:
    return len(text)


@clerk.handler()
async def raw(ctx: restate.Context, content: list[int]) -> None:
    """A run whose value is these bytes."""
    await ctx.run_typed("raw", lambda: bytes(content), restate.RunOptions(serde=BytesSerde()))


@clerk.handler(
    invocation_retry_policy=InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=10), max_attempts=3, on_max_attempts="pause"
    )
)
async def stumble(ctx: restate.Context, why: str) -> None:
    """Fails at its second command until it is paused."""
    await ctx.run_typed("walk", lambda: "walked")

    def fall() -> None:
        raise ValueError(why)

    await ctx.run_typed("fall", fall)


@account.handler()
async def add(ctx: restate.ObjectContext, amount: int) -> int:
    balance = (await ctx.get("balance", type_hint=int) or 0) + amount
    ctx.set("balance", balance)
    return balance


@account.handler()
async def close(ctx: restate.ObjectContext) -> list[str]:
    names = list(await ctx.state_keys())
    ctx.clear("balance")
    ctx.clear_all()
    return names


@errand.main()
async def run(ctx: restate.WorkflowContext, what: str) -> str:
    return f"{what}: {await ctx.promise('answer', type_hint=str).value()}"


@errand.handler()
async def answer(ctx: restate.WorkflowSharedContext, text: str) -> None:
    await ctx.promise("answer", type_hint=str).resolve(text)


app = restate.app([clerk, account, errand])
