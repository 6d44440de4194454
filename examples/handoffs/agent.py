"""An airline's service desk: three agents hand a passenger over to each other, in circles.

perdure up examples/handoffs/agent.py
curl localhost:8080/Airline/ask --json '"May I take my skis along? And put me in 23A."'

Triage hands over to Baggage, which answers and hands back; triage hands over to Seating. A handoff makes no
entry in the journal: it follows from the model's answer, which is one. `on_handoff` acts on the world, so it
is one step, and so is each tool. What they write into the Booking is in their entries too, and is there after
a crash.
"""

from dataclasses import dataclass

import restate
from agents import Agent, RunContextWrapper, function_tool, handoff
from agents.extensions.handoff_prompt import prompt_with_handoff_instructions

from perdure import DurableRunner
from perdure.testing.scripted_model import ScriptedModel, ToolCall


@dataclass
class Booking:
    """What the agents of one conversation know of the passenger."""

    flight: str | None = None
    seat: str | None = None


@function_tool
def look_up_rule(topic: str) -> str:
    """Look up a rule of the airline."""
    rules = {"skis": "Skis fly free in place of one checked bag."}
    return rules.get(topic, "We have no rule about that.")


@function_tool
def assign_seat(wrapper: RunContextWrapper[Booking], seat: str) -> str:
    """Give the passenger a seat."""
    wrapper.context.seat = seat
    return f"Seat {seat} on flight {wrapper.context.flight}."


def find_flight(wrapper: RunContextWrapper[Booking]) -> None:
    """Seating needs to know the flight. Here it would ask the airline's own system."""
    wrapper.context.flight = "PD 17"


# The models are scripted, so that the example needs no key: a turn for each answer of a model in the
# conversation. Without `model=` the SDK asks a real one.
script = [
    ToolCall("transfer_to_baggage"),
    ToolCall("look_up_rule", {"topic": "skis"}),
    ToolCall("transfer_to_triage"),
    ToolCall("transfer_to_seating"),
    ToolCall("assign_seat", {"seat": "23A"}),
    "Your skis fly free, and seat 23A is yours.",
]
baggage = Agent[Booking](
    name="Baggage",
    handoff_description="Answers questions about luggage.",
    instructions=prompt_with_handoff_instructions("Answer by the rules, then hand back to triage."),
    tools=[look_up_rule],
    model=ScriptedModel(script),
)
seating = Agent[Booking](
    name="Seating",
    handoff_description="Assigns seats.",
    instructions=prompt_with_handoff_instructions("Assign the seat, then hand back to triage."),
    tools=[assign_seat],
    model=ScriptedModel(script),
)
triage = Agent[Booking](
    name="Triage",
    instructions=prompt_with_handoff_instructions("Hand over to the desk that can help."),
    handoffs=[baggage, handoff(seating, on_handoff=find_flight)],
    model=ScriptedModel(script),
)
baggage.handoffs.append(triage)
seating.handoffs.append(triage)
service = restate.Service("Airline")


@service.handler()
async def ask(ctx: restate.Context, message: str) -> dict[str, str | None]:
    """Serve one passenger."""
    booking = Booking()
    result = await DurableRunner.run(triage, message, context=booking)
    return {"answer": result.final_output, "by": result.last_agent.name, "seat": booking.seat}


app = restate.app([service])
