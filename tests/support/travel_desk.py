"""Handlers for the UI to show: an agent that hands over, calls tools at once, asks a human and fails."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import restate
from agents import Agent, function_tool

from perdure import Budget, DurableOptions, DurableRunner, Price, durable_tool, step
from perdure.durable import run
from perdure.testing.scripted_model import ScriptedModel, ToolCall

PRICED = DurableOptions(budget=Budget(prices={"gpt-5-mini": Price(input=250, output=2_000)}))
ANSWER = "Your flight LH 2024 and the hotel Gellért are booked: 412 euros in all. Have a good trip!"


class NamedModel(ScriptedModel):
    model = "gpt-5-mini"


@durable_tool
async def book_flight(to: str, day: str) -> dict[str, object]:
    """Book the flight."""

    async def reserve() -> str:
        await asyncio.sleep(0.05)
        return "LH 2024"

    return {"flight": await step("reserve seat", reserve), "to": to, "day": day, "euros": 214}


@function_tool
async def book_hotel(city: str, nights: int) -> dict[str, object]:
    """Book the room."""
    return {"hotel": "Gellért", "city": city, "nights": nights, "euros": 198}


@function_tool(needs_approval=True)
async def pay(euros: int, reference: str) -> str:
    """Charge the customer's card."""
    return f"{euros} euros charged for {reference}"


booking = Agent(
    name="Booking",
    handoff_description="Books trips.",
    instructions="Book flight and hotel.",
    tools=[book_flight, book_hotel, pay],
    model=NamedModel(
        [
            "never asked: the first answer is the triage's",
            [
                ToolCall("book_flight", {"to": "Budapest", "day": "2026-12-01"}),
                ToolCall("book_hotel", {"city": "Budapest", "nights": 3}),
            ],
            ANSWER,
        ]
    ),
)
triage = Agent(
    name="Triage",
    instructions="Find out what the customer needs.",
    handoffs=[booking],
    model=NamedModel([[ToolCall("transfer_to_booking")]]),
)
cashier = Agent(
    name="Cashier",
    instructions="Charge the customer.",
    tools=[pay],
    model=NamedModel([[ToolCall("pay", {"euros": 412, "reference": "trip 17"})], "Paid."]),
)

desk = restate.Service("Desk")
counter = restate.VirtualObject("Counter")
SOON = restate.InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=20), max_interval=timedelta(milliseconds=50), max_attempts=3
)
flaky = restate.Service("Flaky", invocation_retry_policy=SOON)


@desk.handler()
async def ask(ctx: restate.Context, wish: str) -> str:
    """Book a trip: Triage hands over to Booking, which calls two tools at once."""
    return str((await DurableRunner.run(triage, wish, options=PRICED)).final_output)


@desk.handler()
async def charge(ctx: restate.Context, what: str) -> str:
    """Charge the customer: a human must approve."""
    return str((await DurableRunner.run(cashier, what, options=PRICED)).final_output)


@desk.handler()
async def sleep(ctx: restate.Context, seconds: float) -> str:
    await ctx.sleep(timedelta(seconds=seconds))
    return "slept"


@desk.handler()
async def echo(ctx: restate.Context, text: str) -> str:
    """What it is given."""
    return text


@desk.handler()
async def refuse(ctx: restate.Context, why: str) -> str:
    """Fails for good."""
    raise restate.TerminalError(why, 422)


@desk.handler()
async def work(ctx: restate.Context, steps: int) -> int:
    """So many steps, one after the other."""

    async def all_of_them() -> int:
        for number in range(steps):
            await step(f"step {number}", asyncio.sleep, 0.001)
        return steps

    return await run(ctx, all_of_them)


@desk.handler()
async def think(ctx: restate.Context, seconds: float) -> None:
    """One step that takes so long: the invocation runs all the while."""
    await run(ctx, lambda: step("think", asyncio.sleep, seconds))


@counter.handler()
async def add(ctx: restate.ObjectContext, amount: int) -> int:
    total = (await ctx.get("total", type_hint=int) or 0) + amount
    ctx.set("total", total)
    return total


@flaky.handler()
async def fail(ctx: restate.Context, why: str) -> str:
    """Fails until it is paused."""
    raise ValueError(why)


app = restate.app([desk, counter, flaky])
