"""What is read of a step's value, and told in a line. The values are what the agents journal."""

from __future__ import annotations

import inspect
import json
import re
from datetime import UTC, datetime

import pytest
import restate
from agents import Agent, RunContextWrapper
from hypothesis import given
from hypothesis import strategies as st

from perdure import DurableOptions, DurableRunner, RetryPolicy, function_tool, step
from perdure.engine.admin.app import admin_app
from perdure.inspection import step_content
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.journal import journal
from perdure.inspection.records import Step
from perdure.inspection.step_content import ModelCall, read
from perdure.inspection.step_line import line_of
from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

service = restate.Service("S")

KEYS = st.sampled_from(sorted(set(re.findall(r'"(\w+)"', inspect.getsource(step_content)))))
"""Every word that the reader knows."""


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
        async with AdminApi.of_app(admin_app(h.engine, h.ingress_url)) as api:
            found = await journal(api, answer.headers["x-restate-id"])
    return [(step.name, told_of(step)) for step in found.steps if step.kind == "run"]


def told_of(step: Step) -> tuple[str, bool]:
    content = read(step)
    return line_of(content), content.failed


def readable(value: str, *, is_cut: bool = False) -> tuple[str, bool]:
    now = datetime.now(UTC)
    whole_bytes = len(value.encode()) + is_cut
    return told_of(Step(1, "run", "x", now, value=value.encode(), value_bytes=whole_bytes))


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


def test_what_was_cut_is_shown_as_far_as_it_goes() -> None:
    assert readable('{"ok":"once upon a ti', is_cut=True) == ("once upon a ti", False)
    said = '{"ok":{"version":1,"output":[{"type":"message","content":[{"text":"once upon a ti'
    assert readable(said, is_cut=True) == ("once upon a ti", False)
    about = '{"about":{"agent":["A","B"],"call_id":"call_1","model":"gpt-5","more":1},'
    assert readable(about + '"ok":"once upon a ti', is_cut=True) == ("once upon a ti", False)
    assert readable('{"about":{"agent":["A', is_cut=True) == ('{"about":{"agent":["A', False)


def test_for_whom_a_step_was_made() -> None:
    about = '{"about":{"agent":["A","B"],"call_id":"call_1","model":"gpt-5","usd":0.01,"tokens":[7,2]},'
    value = about + '"ok":{"version":1,"output":[{"type":"message","content":[{"text":"once upon'
    content = read(Step(1, "run", "call LLM", datetime.now(UTC), value=value.encode(), value_bytes=9999))
    assert (content.agents, content.agent, content.call_id) == (("A", "B"), "B", "call_1")
    assert isinstance(content.body, ModelCall)
    assert (content.body.model, content.body.usd, content.body.input_tokens) == ("gpt-5", 0.01, 7)
    assert content.body.price_list is None, "the user gave it, as in every journal that has no list"
    assert content.body.messages == ("once upon",)


@pytest.mark.parametrize(
    ("priced", "read"),
    [
        ('"usd":0.0031', "$0.0031"),
        ('"usd":0.0031,"price_list":"genai-prices 0.2.3"', "≈ $0.0031"),
        ('"usd":0.0031,"price_list":7', "$0.0031"),
        ('"price_list":"genai-prices 0.2.3"', None),
        ('"usd":"much"', None),
    ],
)
def test_what_a_call_cost_is_told_in_its_line(priced: str, read: str | None) -> None:
    said = '{"version":1,"output":[{"type":"message","content":[{"text":"Well."}]}]}'
    line, _ = readable(f'{{"about":{{"tokens":[7,2],{priced}}},"ok":{said}}}')
    assert line == f"Well.  (7 + 2 tokens{f', {read}' if read else ''})"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(), inner, max_size=5),
    max_leaves=12,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), st.integers(0, 200), st.booleans())
def test_nothing_that_is_in_a_value_is_too_odd_to_be_shown(value: bytes, length: int, cut: bool) -> None:
    shown = value[:length] if cut else value
    step = Step(1, "run", "x", datetime.now(UTC), value=shown, value_bytes=len(value))
    assert isinstance(line_of(read(step)), str)


@given(st.dictionaries(KEYS, JSON, max_size=6), st.dictionaries(KEYS, JSON, max_size=6))
def test_no_envelope_is_too_odd(outcome: dict[str, object], beside: dict[str, object]) -> None:
    for envelope in ({"about": beside, "ok": outcome}, {**beside, "ok": [outcome]}, {"error": outcome}):
        value = json.dumps(envelope).encode()
        content = read(Step(1, "run", "call LLM", datetime.now(UTC), value=value, value_bytes=len(value)))
        assert isinstance(line_of(content), str)
