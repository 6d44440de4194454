"""A researcher that would search for ever stops when its budget is used up, and says what it has found.

perdure up examples/budgets/agent.py
curl localhost:8080/Research/ask --json '{"question": "Why is the sea salty?", "usd": 0.10}'
curl localhost:8080/Research/ask --json '{"question": "Why is the sea salty?", "usd": 1}'

The budget is looked at before each model call of the agent and of its sub-agent. Kill the process on the way
and start it again: what earlier attempts paid is in the journal, and is counted once.
"""

from typing import Any

import restate
from agents import Agent, function_tool

from perdure import Budget, BudgetExceeded, DurableOptions, DurableRunner, Price, spent
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

# USD per million tokens. They are high, for the model below uses 10 tokens of input and 5 of output a call.
PRICES = {"played": Price(input=2_000, output=4_000)}


class PlayedModel(ScriptedModel):
    """It plays a model, so that the example needs no key. Without `model=` the SDK asks a real one."""

    model = "played"  # the name by which its price is found


@function_tool
async def search(words: str) -> str:
    """Search the library."""
    return f"a book about {words}"


def outputs(conversation: Input) -> str:
    return "; ".join(str(item["output"]) for item in conversation if "output" in item)  # type: ignore[index]


reader = Agent(
    name="Reader",
    instructions="Summarize one book.",
    model=PlayedModel(["rivers carry salt, and the sun takes only the water"]),
)
researcher = Agent(
    name="Researcher",
    instructions="Search and read until you are sure.",
    tools=[search, reader.as_tool("read", "Read a book.")],
    model=PlayedModel(
        [
            ToolCall("search", {"words": "salt"}),
            ToolCall("read", {"input": "a book about salt"}),
            ToolCall("search", {"words": "rivers"}),
            ToolCall("search", {"words": "the sun"}),
            outputs,
        ]
    ),
)
service = restate.Service("Research")


@service.handler()
async def ask(ctx: restate.Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answers `question` for at most `usd`, and tells what was spent."""
    options = DurableOptions(budget=Budget(usd=request["usd"], prices=PRICES))
    try:
        answer = str((await DurableRunner.run(researcher, request["question"], options=options)).final_output)
    except BudgetExceeded as error:
        answer = f"Stopped, for {error}. So far: {found(error)}"
    return {"answer": answer, "model_calls": spent().calls, "usd": round(spent().usd, 4)}


def found(error: BudgetExceeded) -> str:
    items = error.run_data.new_items if error.run_data is not None else []
    return "; ".join(str(item.output) for item in items if item.type == "tool_call_output_item")


app = restate.app([service])
