"""The agent that is killed: it pays once, with a tool that is not to be started twice unasked."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import httpx2
import restate
from agents import Agent

from perdure import (
    ASK_HUMAN,
    DurableRunner,
    Happened,
    NotHappened,
    function_tool,
    idempotency_key,
    spent,
)
from perdure.errors import EffectUnknown
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

BANK = os.environ["BANK_URL"]
SOON = restate.InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=20),
    exponentiation_factor=1.0,
    max_interval=timedelta(milliseconds=50),
    max_attempts=10_000,
)


async def gate(name: str) -> None:
    async with httpx2.AsyncClient(timeout=None) as client:
        await client.get(f"{BANK}/gate/{name}")


async def pay(euros: int) -> str:
    """Pay."""
    await gate("claimed")
    async with httpx2.AsyncClient(timeout=None) as client:
        headers = {"idempotency-key": idempotency_key()}
        response = await client.post(f"{BANK}/payments", json=euros, headers=headers)
        return str(response.json())


async def look_up(key: str) -> Happened[str] | NotHappened:
    async with httpx2.AsyncClient() as client:
        receipt = (await client.get(f"{BANK}/payments/{key}")).json()
    return NotHappened() if receipt is None else Happened(receipt)


async def before_answer(turn: int) -> None:
    await gate("before the claim" if turn == 0 else "recorded")


def receipt(conversation: Input) -> str:
    items: list[Any] = list(conversation)
    return str(items[-1]["output"])


def payer(on_unknown: Any) -> Agent[Any]:
    model = ScriptedModel([ToolCall("pay", {"euros": 5}), receipt], before_answer)
    return Agent(name="Payer", tools=[function_tool(once=True, on_unknown=on_unknown)(pay)], model=model)


PAYERS = {
    "fail": payer("fail"),
    "retry": payer("retry"),
    "reconcile": payer(look_up),
    "ask": payer(ASK_HUMAN),
}
payments = restate.Service("Payments", invocation_retry_policy=SOON)


@payments.handler()
async def settle(ctx: restate.Context, policy: str) -> str:
    """Answers with the receipt, or with the key of a payment of which nobody knows."""
    try:
        return str((await DurableRunner.run(PAYERS[policy], "Pay the invoice.")).final_output)
    except EffectUnknown as unknown:
        return f"unknown: {unknown.key}"


@payments.handler()
async def count(ctx: restate.Context, policy: str) -> list[int]:
    """Pays as `settle` does, and answers with the number of model calls, and of those made again."""
    await DurableRunner.run(PAYERS[policy], "Pay the invoice.")
    return [spent().calls, spent().calls_again]


app = restate.app([payments])
