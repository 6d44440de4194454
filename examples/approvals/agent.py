"""A clerk that pays small refunds at once, and waits for a human's word on the others: for days, at no cost.

perdure up examples/approvals/agent.py
curl localhost:8080/Refunds/handle/send --json '"Orders 17 and 23 arrived broken."'
perdure approvals list
perdure approvals approve ID             # or: perdure approvals reject ID --message "ask for a photo"
"""

import os
from pathlib import Path
from typing import Any

import restate
from agents import Agent, RunContextWrapper, function_tool

from perdure import DurableRunner
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

BANK = Path(os.environ.get("REFUNDS_FILE", "refunds.txt"))


async def is_large(_context: RunContextWrapper[Any], arguments: dict[str, Any], _call_id: str) -> bool:
    """Decides whether a human must approve this very call."""
    return bool(arguments["euros"] > 50)


@function_tool(needs_approval=is_large)
def refund(order: int, euros: int) -> str:
    """Pay money back to the customer."""
    with BANK.open("a") as bank:
        bank.write(f"order {order}: {euros} euros\n")
    return f"{euros} euros for order {order} are on their way"


def report(conversation: Input) -> str:
    outputs = [str(item.get("output")) for item in conversation if "output" in item]  # type: ignore[union-attr]
    return "; ".join(outputs)


clerk = Agent(
    name="RefundClerk",
    instructions="Refund what arrived broken.",
    tools=[refund],
    # It plays a model, so that the example needs no key. Without this line the SDK asks a real one.
    model=ScriptedModel(
        [
            [ToolCall("refund", {"order": 17, "euros": 20}), ToolCall("refund", {"order": 23, "euros": 180})],
            report,
        ]
    ),
)
service = restate.Service("Refunds")


@service.handler()
async def handle(ctx: restate.Context, complaint: str) -> str:
    """Answer one complaint."""
    return str((await DurableRunner.run(clerk, complaint)).final_output)


app = restate.app([service])
