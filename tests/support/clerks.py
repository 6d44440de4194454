"""Agents that ask a human, and a handler that asks by itself."""

from __future__ import annotations

from typing import Any

import restate
from agents import Agent, function_tool

from perdure import DurableOptions, DurableRunner
from perdure.openai import Question, ask_human, durable
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>\u202eevil\x07 {{ 7*7 }}'


@function_tool(needs_approval=True)
async def refund(order: int, euros: float, note: str = "") -> str:
    """Pay money back to the customer."""
    return f"{euros} euros for order {order} are on their way"


def told(conversation: Input) -> str:
    """What became of the calls."""
    return "; ".join(str(item["output"]) for item in conversation if "output" in item)  # type: ignore[union-attr, typeddict-item]


def clerk(*calls: ToolCall) -> Agent[Any]:
    return Agent(name="RefundClerk", tools=[refund], model=ScriptedModel([list(calls), told]))


refunds = restate.Service("Refunds")


@refunds.handler()
async def handle(ctx: restate.Context, euros: float) -> str:
    """Refund one order."""
    return str(
        (await DurableRunner.run(clerk(ToolCall("refund", {"order": 23, "euros": euros})), "?")).final_output
    )


@refunds.handler()
async def within(ctx: restate.Context, timeout_ms: int) -> str:
    """One that is rejected when nobody decides."""
    agent = clerk(ToolCall("refund", {"order": 1, "euros": 5.0}))
    options = DurableOptions(approval_timeout_ms=timeout_ms)
    return str((await DurableRunner.run(agent, "?", options=options)).final_output)


@refunds.handler()
async def hostile(ctx: restate.Context, size: int) -> str:
    """Arguments that mean harm, and `size` characters of them."""
    agent = clerk(ToolCall("refund", {"order": 1, "euros": 1e22, "note": HOSTILE + "x" * size}))
    return str((await DurableRunner.run(agent, "?")).final_output)


@refunds.handler()
@durable
async def open_account(ctx: restate.Context, customer: str) -> str:
    """Asks in its own words."""
    question = Question(
        tool="open account", arguments={"customer": customer}, reason="The name is on a list."
    )
    decision = await ask_human(question)
    return f"{'welcome' if decision.approved else 'no'}: {decision.message} ({decision.by})"


app = restate.app([refunds])
