"""An agent for the conformance tests: three tools at once, each of three steps, plain tools beside them."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import restate
from agents import Agent, RunContextWrapper, function_tool, set_tracing_disabled

from perdure import DurableRunner, durable, step
from perdure.testing.scripted_model import ScriptedModel, ToolCall

set_tracing_disabled(True)
EFFECTS = Path(os.environ["EFFECTS_LOG"])


def effect(line: str) -> None:
    with EFFECTS.open("a") as log:
        log.write(f"{line}\n")


@function_tool
async def get_weather(city: str) -> dict[str, str | int]:
    """The weather in a city."""
    effect(f"ran get_weather {city}")
    await asyncio.sleep(0.05)
    return {"city": city, "degrees": 22}


@function_tool
async def book(wrapper: RunContextWrapper[restate.Context], what: str) -> str:
    """Book one part of a trip, in three steps."""
    receipts = []
    for stage in ("hold", "pay", "confirm"):
        receipts.append(await step(f"{what}-{stage}", stage_of, what, stage))
        await asyncio.sleep(0.01)
    return " ".join(receipts)


async def stage_of(what: str, stage: str) -> str:
    effect(f"ran {what}-{stage} from {time.monotonic()}")
    await asyncio.sleep(0.2)
    effect(f"end {what}-{stage} at {time.monotonic()}")
    return f"{what}:{stage}"


async def count_call(turn: int) -> None:
    effect(f"model {turn}")


SCRIPT = [
    [
        ToolCall("get_weather", {"city": "Lisbon"}),
        *(ToolCall("book", {"what": w}) for w in ("flight", "hotel", "car")),
    ],
    "Booked.",
]
agent = Agent(
    name="Trips",
    tools=[get_weather, book],
    model=ScriptedModel(SCRIPT, before_answer=count_call),
    instructions="Book.",
)
service = restate.Service("Trips")


@service.handler()
async def trip(ctx: restate.Context, message: str) -> list[str]:
    result = await DurableRunner.run(agent, message, context=ctx)
    return [
        *(str(item.output) for item in result.new_items if item.type == "tool_call_output_item"),
        result.final_output,
    ]


@service.handler()
async def stuck(ctx: restate.Context, message: str) -> str:
    async def waits_for_nothing() -> None:
        await asyncio.Event().wait()

    await durable.run(ctx, waits_for_nothing)
    return "never"


@service.handler()
async def long(ctx: restate.Context, message: str) -> str:
    async def holds_a_room() -> str:
        await step("hold", stage_of, "room", "hold")
        try:
            await asyncio.sleep(3600)
        finally:
            await step("release", stage_of, "room", "release")
        return "kept"

    return await durable.run(ctx, holds_a_room)


app = restate.app([service])
