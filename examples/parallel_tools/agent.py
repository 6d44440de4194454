"""A trip's price: the tools of one turn run at the same time, and each is done once.

perdure up examples/parallel_tools/agent.py
curl localhost:8080/Trips/price --json '"Oslo, two nights"'

`price_flight` is a plain tool: one step. `price_hotels` orchestrates: it asks all hotels at once, each in a
step of its own. When the process is killed in the middle, the prices that are known stay known, and only the
others are asked again.
"""

import asyncio
import os
import time
from pathlib import Path

import restate
from agents import Agent, function_tool

from perdure import DurableRunner, step
from perdure.openai import durable_tool
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

ASKED = Path(os.environ.get("ASKED_FILE", "asked.txt"))


def ask_for_price(what: str) -> int:
    """A request to somebody's server would stand here."""
    with ASKED.open("a") as asked:
        asked.write(f"{what}\n")
    time.sleep(0.2)
    return 60 + 10 * len(what)


@function_tool
def price_flight(city: str) -> int:
    """The price of a flight, in euros."""
    return ask_for_price(f"flight to {city}")


@durable_tool
async def price_hotels(city: str, nights: int) -> dict[str, int]:
    """The prices of the hotels in a city, in euros."""
    hotels = ["Bristol", "Grand", "Continental"]
    prices = await asyncio.gather(*(step(f"price {hotel}", ask_for_price, hotel) for hotel in hotels))
    return {hotel: nights * price for hotel, price in zip(hotels, prices, strict=True)}


def sum_up(conversation: Input) -> str:
    outputs = [item["output"] for item in conversation if "output" in item]  # type: ignore[index]
    return f"Flight: {outputs[0]} euros. Hotels: {outputs[1]}."


planner = Agent(
    name="TripPlanner",
    instructions="Price the trip.",
    tools=[price_flight, price_hotels],
    # It plays a model, so that the example needs no key. Without this line the SDK asks a real one.
    model=ScriptedModel(
        [
            [
                ToolCall("price_flight", {"city": "Oslo"}),
                ToolCall("price_hotels", {"city": "Oslo", "nights": 2}),
            ],
            sum_up,
        ]
    ),
)
service = restate.Service("Trips")


@service.handler()
async def price(ctx: restate.Context, message: str) -> str:
    """Price one trip."""
    return str((await DurableRunner.run(planner, message)).final_output)


app = restate.app([service])
