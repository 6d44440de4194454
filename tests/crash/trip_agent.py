"""The agent that is killed: it books a trip with three tools at once, of three steps each."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import effect_log
import restate
from agents import Agent, RunContextWrapper, function_tool

from perdure import DurableRunner, step
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

# The crash test's clients wait for each retry, so it comes soon; and however often, it never pauses.
SOON = restate.InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=20),
    exponentiation_factor=1.0,
    max_interval=timedelta(milliseconds=50),
    max_attempts=10_000,
)
RECORDED = "recorded"


async def _effect(invocation: str, name: str) -> str:
    receipt = effect_log.ran(invocation, name)
    await asyncio.sleep(random.uniform(0, 0.01))  # time to be killed between the effect and its record
    return receipt


async def _book(what: str, ctx: restate.Context) -> str:
    invocation = ctx.request().id
    effect_log.saw(invocation, "call-model-1", RECORDED)  # or nobody would have called this tool
    receipts = []
    for stage in ("hold", "pay", "confirm"):
        name = f"{what}-{stage}"
        receipt = await step(name, _effect, invocation, name)
        effect_log.saw(invocation, name, receipt)
        receipts.append(receipt)
    return " ".join([what, *receipts])


@function_tool
async def book_flight(run: RunContextWrapper[restate.Context]) -> str:
    """Book the flight there."""
    return await _book("flight", run.context)


@function_tool
async def book_hotel(run: RunContextWrapper[restate.Context]) -> str:
    """Book a room."""
    return await _book("hotel", run.context)


@function_tool
async def book_car(run: RunContextWrapper[restate.Context]) -> str:
    """Book a car."""
    return await _book("car", run.context)


def _ask_for_all_three(conversation: Input) -> list[ToolCall]:
    effect_log.ran(_invocation(conversation), "call-model-1")
    return [ToolCall("book_flight"), ToolCall("book_hotel"), ToolCall("book_car")]


def _tell_what_was_booked(conversation: Input) -> str:
    effect_log.ran(_invocation(conversation), "call-model-2")
    items: list[Any] = list(conversation)
    return "; ".join(item["output"] for item in items if item.get("type") == "function_call_output")


def _invocation(conversation: Input) -> str:
    """The first word of the customer's message."""
    message: Any = conversation if isinstance(conversation, str) else conversation[0]
    return str(message if isinstance(message, str) else message["content"]).split()[0]


agent = Agent(
    name="TripAgent",
    instructions="Book what the customer needs for the trip.",
    tools=[book_flight, book_hotel, book_car],
    model=ScriptedModel([_ask_for_all_three, _tell_what_was_booked]),
)
trips = restate.Service("Trips", invocation_retry_policy=SOON)


@trips.handler()
async def book(ctx: restate.Context, wish: str) -> str:
    """Answers with the receipts of all nine steps."""
    invocation = ctx.request().id
    result = await DurableRunner.run(agent, f"{invocation} {wish}", context=ctx)
    effect_log.saw(invocation, "call-model-2", RECORDED)
    return str(result.final_output)


app = restate.app([trips])
