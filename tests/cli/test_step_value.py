"""What `describe` makes of a step's value; the values are what the durable half really journals."""

from __future__ import annotations

import json

import pytest
import restate
from agents import Agent, RunContextWrapper

from perdure import DurableOptions, DurableRunner, RetryPolicy, function_tool, step
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


@service.handler()
async def orchestrate(ctx: restate.Context, choice: str) -> None:
    """One step of a kind."""
    context: dict[str, object] = {"visits": 0, "greeted": True}

    @function_tool
    def visit(wrapper: RunContextWrapper[dict[str, object]]) -> str:
        wrapper.context["visits"] = 1
        del wrapper.context["greeted"]
        return "visited"

    @function_tool(retry=RetryPolicy(initial_delay_ms=1, factor=1))
    def connect() -> str:
        if not failures:
            failures.append(1)
            raise ConnectionError("line is busy")
        return "connected"

    @function_tool(once=True)
    def pay() -> str:
        return "paid"

    @function_tool(needs_approval=True)
    def fire(name: str) -> str:
        return "fired"

    failures: list[int] = []
    tools = {"visit": visit, "connect": connect, "pay": pay, "fire": fire}
    arguments = {"name": "Bob"} if choice == "fire" else {}
    model = ScriptedModel([ToolCall(choice, arguments), "done"])
    options = DurableOptions(approval_timeout_ms=1000)
    agent = Agent("A", model=model, tools=[tools[choice]])
    await DurableRunner.run(agent, "?", context=context, options=options)


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


@pytest.mark.anyio
async def test_what_a_tool_changed_in_the_context() -> None:
    assert (await told("orchestrate", "visit"))[1] == ("visit", ("visited  (changed visits, greeted)", False))


@pytest.mark.anyio
async def test_a_tool_that_is_tried_again() -> None:
    _, (_, (busy, failed)), connected, _ = await told("orchestrate", "connect")
    assert (busy, failed) == ("ConnectionError: line is busy, tried again after 1 ms", True)
    assert connected == ("connect", ("connected", False))


@pytest.mark.anyio
async def test_a_claim_shows_the_idempotency_key() -> None:
    _, (claim, (key, _)), paid, _ = await told("orchestrate", "pay")
    assert claim == "claim pay"
    assert key.startswith("inv_")
    assert key.endswith("/call_0_0")
    assert paid == ("pay", ("paid", False))


@pytest.mark.anyio
async def test_an_approval_shows_what_is_asked() -> None:
    _, (name, (text, _)), *_ = await told("orchestrate", "fire")
    assert name == "approval fire"
    assert text.startswith("sign_1")
    assert text.endswith(' asks for fire({"name": "Bob"})')


def test_a_background_response_and_a_step_that_was_begun_before() -> None:
    assert readable('{"ok":{"pending":"resp_1"}}') == ("resp_1, not answered yet", False)
    assert readable('{"ok":{"failed":"overloaded","delay_ms":5}}') == (
        "overloaded, tried again after 5 ms",
        True,
    )
    assert readable('{"ok":1,"again":true}') == ("1  (begun before)", False)
    assert readable('{"misuse":"a step in a step"}') == ("a step in a step", True)


@pytest.mark.parametrize(
    "theirs", ["plain text", "42", '{"ok": 1, "more": 2}', '{"error": "mine"}', json.dumps(["ok"]), ""]
)
def test_what_is_not_ours_is_shown_as_it_stands(theirs: str) -> None:
    assert readable(theirs) == (theirs, False)


def test_what_was_cut_is_shown_without_the_envelope() -> None:
    assert readable('{"ok":{"version":1,"outp…') == ('{"version":1,"outp…', False)
    assert readable('{"about":{"agent":["A"]},"ok":{"version":1,"outp…') == ('{"version":1,"outp…', False)
    assert readable('{"about":{"agent":["A…') == ('{"about":{"agent":["A…', False)
