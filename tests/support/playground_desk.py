"""Handlers to try in the playground and to chat with: streaming agents, forms, hostile answers."""

from __future__ import annotations

import asyncio
import enum
from typing import Annotated, Any, Literal

import restate
from agents import Agent, Runner, function_tool
from pydantic import BaseModel, Field

from perdure import DurableRunner, DurableSession, publish
from perdure.openai import durable
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

STORY = (
    "The lighthouse keeper counts the ships at night, and in the morning he writes their names into a book."
)
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>\u202egnp.exe'


class Size(enum.Enum):
    small = "small"
    large = "large"


class Address(BaseModel):
    street: str
    floor: int | None = None


class Card(BaseModel):
    kind: Literal["card"]
    number: str


class Invoice(BaseModel):
    kind: Literal["invoice"]
    days: int = 30


class Item(BaseModel):
    sku: str
    count: int = Field(1, ge=1, description="How many of it.")


class Order(BaseModel):
    """What a customer orders."""

    customer: str = Field(description="Who pays, as on the contract.", examples=["Ada Lovelace"])
    size: Size = Size.small
    items: list[Item] = []
    ship_to: Address
    bill_to: Address | None = None
    payment: Annotated[Card | Invoice, Field(discriminator="kind")]
    labels: dict[str, int] = {}
    gift: bool
    note: str | None = None


orders = restate.Service("Orders", description="Takes orders.")
guide = restate.Service("Guide")
companion = restate.VirtualObject("Companion")
approval_flow = restate.Workflow("Signup")


@orders.handler()
async def place(ctx: restate.Context, order: Order) -> dict[str, Any]:
    """Place an order, and be told what was understood."""
    return {"placed": order.model_dump(mode="json")}


@orders.handler()
async def refuse(ctx: restate.Context, why: str) -> None:
    raise restate.TerminalError(why, 422)


@orders.handler()
async def ping(ctx: restate.Context) -> str:
    return "pong"


@approval_flow.main()
async def run(ctx: restate.WorkflowContext, email: str) -> str:
    return f"{email} of {ctx.key()}"


@function_tool
def count_ships(night: str) -> dict[str, object]:
    """How many ships came by."""
    return {"night": night, "ships": 7, "log": HOSTILE}


@function_tool(needs_approval=True)
def ring_bell(times: int) -> str:
    """Ring the bell, which wakes the village."""
    return f"rang {times} times"


async def _pace(_turn: int, _word: int) -> None:
    await asyncio.sleep(0.02)


teller = Agent(name="Teller", instructions="Tell a story.", model=ScriptedModel([STORY], before_token=_pace))
keeper = Agent(
    name="Keeper",
    instructions="Know the ships.",
    tools=[count_ships],
    handoffs=[teller],
    model=ScriptedModel(
        [
            [ToolCall("count_ships", {"night": "of the storm"})],
            [ToolCall("transfer_to_teller")],
        ]
    ),
)


def _reply(conversation: Input) -> str | ToolCall:
    """An answer to the last thing that was said."""
    said = [conversation] if isinstance(conversation, str) else list(conversation)
    last: Any = said[-1]
    if isinstance(last, dict) and last.get("type") == "function_call_output":
        return f"Done: {last['output']}."
    text = last if isinstance(last, str) else str(last.get("content"))
    if "bell" in text:
        return ToolCall("ring_bell", {"times": 3})
    if "hostile" in text:
        return HOSTILE
    users = [each for each in said if isinstance(each, str) or each.get("role") == "user"]
    return f"You said {text!r}, and it is the {len(users)}. thing that you told me."


class _Companion(ScriptedModel):
    """Answers what was said last, however long the conversation is."""

    def __init__(self) -> None:
        super().__init__([_reply], before_token=_pace)


friend = Agent(name="Friend", instructions="Keep company.", tools=[ring_bell], model=_Companion())


@guide.handler()
@durable
async def ask(ctx: restate.Context, question: str) -> str:
    """Ask the lighthouse keeper, who knows somebody who tells stories."""
    publish("progress", {"percent": 10})
    result = Runner.run_streamed(keeper, question)
    async for _ in result.stream_events():
        pass
    return str(result.final_output)


@companion.handler()
async def say(ctx: restate.ObjectContext, message: str) -> str:
    """Talk with a friend who remembers."""
    result = DurableRunner.run_streamed(friend, message, session=DurableSession())
    async for _ in result.stream_events():
        pass
    return str(result.final_output)


app = restate.app([orders, guide, companion, approval_flow])
