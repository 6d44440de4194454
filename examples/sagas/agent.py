"""A travel agent books all of a trip or nothing: if one fails, those before are cancelled in reverse.

perdure up examples/sagas/agent.py
curl localhost:8080/Travel/plan --json '"Lisbon"'
curl localhost:8080/Travel/plan --json '"Atlantis"'      # no car there: hotel and flight are cancelled
cat bookings.txt

Each booking is an effect: it is not started twice unasked. Its undoing is pushed first, by a reference that
is known before (`uuid()` is the same in each attempt), so it covers a booking of which nobody knows how it
went. Kill the process anywhere: a replay comes to the same list of what is to be undone. An invocation that
is cancelled on the way (`perdure invocations cancel ID`) is undone too.
"""

import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import restate
from agents import Agent, RunContextWrapper

from perdure import DurableRunner, durable, durable_tool, effect, step
from perdure.errors import EffectUnknown
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

BOOKINGS = Path(os.environ.get("BOOKINGS_FILE", "bookings.txt"))


def book(what: str, city: str, reference: str) -> str:
    """The booking office: it takes some time, it may refuse, and its line may break before it answers."""
    if what == "car" and city == "Atlantis":
        raise LookupError(f"there is no {what} in {city}")
    _write(f"booked {what} {reference}")
    return f"{what} in {city}"


def cancel(what: str, reference: str) -> None:
    """Cancels a booking. Of one that was never made, or is cancelled already, nothing is left to do."""
    if f"booked {what} {reference}\n" in BOOKINGS.read_text():
        _write(f"cancelled {what} {reference}")


def _write(line: str) -> None:
    with BOOKINGS.open("a") as bookings:
        bookings.write(f"{line}\n")


def apology(_context: RunContextWrapper[Any], error: Exception) -> str:
    return f"Nothing is booked: {error}"


@durable_tool(failure_error_function=apology)
async def book_trip(city: str) -> str:
    """Book flight, hotel and car."""
    context = durable.current()
    assert context is not None
    booked = []
    async with AsyncExitStack() as undo:
        for what in ("flight", "hotel", "car"):
            reference = str(context.uuid())
            undo.push_async_callback(step, f"cancel {what}", cancel, what, reference)
            try:
                booked.append(await effect(f"book {what}", book, what, city, reference))
            except EffectUnknown as unknown:  # it is cancelled with the others, if it took place
                raise LookupError(f"nobody knows whether the {what} was booked") from unknown
        undo.pop_all()
    return ", ".join(booked)


def last_output(conversation: Input) -> str:
    return str(conversation[-1]["output"])  # type: ignore[index,call-overload]


def as_asked(conversation: Input) -> ToolCall:
    asked = conversation if isinstance(conversation, str) else conversation[0]["content"]  # type: ignore[typeddict-item]
    return ToolCall("book_trip", {"city": str(asked)})


travel_agent = Agent(
    name="TravelAgent",
    instructions="Book the trip that the customer asks for.",
    tools=[book_trip],
    # It plays a model, so that the example needs no key. Without this line the SDK asks a real one.
    model=ScriptedModel([as_asked, last_output]),
)
service = restate.Service("Travel")


@service.handler()
async def plan(ctx: restate.Context, city: str) -> str:
    """Book a trip."""
    return str((await DurableRunner.run(travel_agent, city)).final_output)


app = restate.app([service])
