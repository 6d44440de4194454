"""What `describe` makes of a step's value; the values are what the durable half really journals."""

from __future__ import annotations

import json

import pytest
import restate
from agents import Agent, function_tool

from perdure import DurableRunner, step
from perdure.cli.step_value import readable
from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

service = restate.Service("S")


@function_tool
def lookup(city: str) -> dict[str, str]:
    """Look it up."""
    if city == "nowhere":
        raise LookupError("no such city")
    return {"sky": "clear"}


@service.handler()
async def ask(ctx: restate.Context, city: str) -> str:
    model = ScriptedModel([ToolCall("lookup", {"city": city}), "It is clear."])
    return str((await DurableRunner.run(Agent("A", model=model, tools=[lookup]), "?")).final_output)


@service.handler()
async def fail(ctx: restate.Context) -> None:
    from perdure import durable

    async def refuse() -> None:
        raise ValueError("not today")

    await durable.run(ctx, lambda: step("refuse", refuse))


async def told(handler: str, *body: object) -> list[tuple[str, tuple[str, bool]]]:
    async with harness(service) as h:
        answer = await h.ingress.post(f"/S/{handler}", json=body[0] if body else None)
        journal = await h.journal(answer.headers["x-restate-id"])
    return [
        (entry["name"], readable(entry["value_preview"]))
        for entry in journal
        if entry["entry_type"] == "Command: Run"
    ]


@pytest.mark.anyio
async def test_a_models_answers_and_a_tools_result() -> None:
    asked, found, said = await told("ask", "Oslo")
    assert asked[0] == said[0] == "call LLM"
    assert asked[1][0].startswith('lookup({"city": "Oslo"})')
    assert found == ("lookup", ('{"sky": "clear"}', False))
    assert said[1][0].startswith("It is clear.")


@pytest.mark.anyio
async def test_a_tool_that_failed() -> None:
    _, (name, (text, failed)), _ = await told("ask", "nowhere")
    assert (name, failed) == ("lookup", True)
    assert "An error occurred" in text  # what the SDK tells the model


@pytest.mark.anyio
async def test_a_step_that_failed() -> None:
    assert await told("fail") == [("refuse", ("ValueError: not today", True))]


@pytest.mark.parametrize(
    "theirs", ["plain text", "42", '{"ok": 1, "more": 2}', '{"error": "mine"}', json.dumps(["ok"]), ""]
)
def test_what_is_not_ours_is_shown_as_it_stands(theirs: str) -> None:
    assert readable(theirs) == (theirs, False)


def test_what_was_cut_is_shown_without_the_envelope() -> None:
    assert readable('{"ok":{"version":1,"outp…') == ('{"version":1,"outp…', False)
