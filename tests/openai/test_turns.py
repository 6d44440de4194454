"""Whoever reads the journal of a run sees whose turn each step was made in, and for which tool call."""

from __future__ import annotations

import json
from typing import Any

import pytest
import restate
from agents import (
    Agent,
    GuardrailFunctionOutput,
    RunContextWrapper,
    Runner,
    function_tool,
    input_guardrail,
    output_guardrail,
    set_tracing_disabled,
)
from human import decided_by
from journal_server import JournalServer, value_of

from perdure import Budget, DurableOptions, DurableRunner, Price, durable_tool, effect, step
from perdure.protocol.messages import MessageType
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

USED = {"tokens": [10, 5]}
ANSWERED = USED | {"usd": 0.006}
Told = tuple[str, dict[str, Any] | None]


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


class NamedModel(ScriptedModel):
    model = "gpt-x"


@function_tool
def look_up() -> str:
    return "found"


def asked(agent: Agent[Any], *, streamed: bool = False, **options: Any) -> JournalServer:
    service = restate.Service("Agent")
    budget = Budget(prices={"gpt-x": Price(input=100, output=1_000)})  # a call of 10 + 5 tokens costs 0.006

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> str:
        ours = DurableOptions(budget=budget)
        if not streamed:
            return str((await DurableRunner.run(agent, message, options=ours)).final_output)
        result = DurableRunner.run_streamed(agent, message, options=ours)
        async for _ in result.stream_events():
            pass
        return str(result.final_output)

    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


def told(server: JournalServer) -> list[Told]:
    """The steps of the journal in the order in which they were asked for."""
    values = {
        c.completion_id: json.loads(c.value.content) for c in server.entries(MessageType.RUN_COMPLETION)
    }
    return [
        (run.name, values[run.result_completion_id].get("about")) for run in server.entries(MessageType.RUN)
    ]


async def everywhere(agent: Agent[Any]) -> list[Told]:
    """The same run, and so the same facts: live, replayed at every await, streamed. Of steps side by side
    any may come first.
    """
    server = asked(agent)
    await server.run()
    for options in ({"suspend_always": True}, {"streamed": True}, {"streamed": True, "suspend_always": True}):
        other = asked(agent, **options)
        await other.run()
        assert sorted(told(other), key=str) == sorted(told(server), key=str), options
    return told(server)


async def test_a_model_call_says_its_agent_its_model_and_its_price_and_a_tool_its_call() -> None:
    agent = Agent(name="Clerk", model=NamedModel([ToolCall("look_up"), "Done."]), tools=[look_up])
    asking = ("call LLM", {"agent": ["Clerk"], "model": "gpt-x"} | ANSWERED)
    looking = ("look_up", {"agent": ["Clerk"], "call_id": "call_0_0"})
    assert await everywhere(agent) == [asking, looking, asking]


async def test_a_model_without_a_name_or_a_price_is_told_of_without_them() -> None:
    agent = Agent(name="Clerk", model=ScriptedModel(["Done."]))
    assert await everywhere(agent) == [("call LLM", USED | {"agent": ["Clerk"]})]


async def test_a_failed_call_says_whose_it_was_and_costs_nothing() -> None:
    async def break_first(_turn: int) -> None:
        if len(model.calls) == 1:
            raise ConnectionError("line is busy")

    model = NamedModel(["Done."], before_answer=break_first)
    server = asked(Agent(name="Clerk", model=model))
    await server.run()
    facts = {"agent": ["Clerk"], "model": "gpt-x"}
    assert told(server) == [("call LLM", facts), ("call LLM", facts | ANSWERED)]


async def test_after_a_handoff_the_turn_is_the_other_agents() -> None:
    billing = Agent(name="Billing", model=NamedModel(["?", ToolCall("look_up"), "Paid."]), tools=[look_up])
    triage = Agent(name="Triage", model=NamedModel([ToolCall("transfer_to_billing")]), handoffs=[billing])
    steps = await everywhere(triage)
    assert [(name, facts and facts["agent"]) for name, facts in steps] == [
        ("call LLM", ["Triage"]),
        ("call LLM", ["Billing"]),
        ("look_up", ["Billing"]),
        ("call LLM", ["Billing"]),
    ]


async def test_agents_as_tools_have_the_path_to_them_and_the_call_that_they_are_in() -> None:
    clerk = Agent(name="Clerk", model=ScriptedModel([ToolCall("look_up"), "Found."]), tools=[look_up])
    as_tool = clerk.as_tool("ask_clerk", "Asks.")
    calls = [ToolCall("ask_clerk", {"input": "a"}), ToolCall("ask_clerk", {"input": "b"})]
    chief = Agent(name="Chief", model=ScriptedModel([calls, "Done."]), tools=[as_tool])
    first, *nested, last = await everywhere(chief)
    assert first == last == ("call LLM", USED | {"agent": ["Chief"]})
    assert {facts["call_id"] for name, facts in nested if facts and name == "call LLM"} == {
        "call_0_0",
        "call_0_1",
    }
    assert all(facts and facts["agent"] == ["Chief", "Clerk"] for _, facts in nested)
    assert [name for name, _ in nested].count("look_up") == 2


async def test_a_run_inside_of_a_tool_and_the_steps_beside_it_belong_to_the_call() -> None:
    clerk = Agent(name="Clerk", model=ScriptedModel(["Found."]))

    @durable_tool
    async def orchestrate() -> str:
        await step("count", lambda: 1)
        await effect("pay", lambda: 2)
        return str((await Runner.run(clerk, "?")).final_output)

    chief = Agent(name="Chief", model=ScriptedModel([ToolCall("orchestrate"), "Done."]), tools=[orchestrate])
    its = {"agent": ["Chief"], "call_id": "call_0_0"}
    assert await everywhere(chief) == [
        ("call LLM", USED | {"agent": ["Chief"]}),
        ("count", its),
        ("claim pay", its),
        ("pay", its),
        ("call LLM", its | USED | {"agent": ["Chief", "Clerk"]}),
        ("call LLM", USED | {"agent": ["Chief"]}),
    ]


async def test_a_guardrail_belongs_to_the_agent_that_it_guards() -> None:
    judge = Agent(name="Judge", model=ScriptedModel(["Fine."]))

    @input_guardrail
    async def polite(ctx: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
        said = await Runner.run(judge, "?")
        return GuardrailFunctionOutput(said.final_output, tripwire_triggered=False)

    @output_guardrail
    def honest(ctx: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(None, tripwire_triggered=False)

    agent = Agent(
        name="Clerk", model=ScriptedModel(["Done."]), input_guardrails=[polite], output_guardrails=[honest]
    )
    assert sorted(await everywhere(agent), key=str) == [
        ("call LLM", USED | {"agent": ["Clerk", "Judge"]}),
        ("call LLM", USED | {"agent": ["Clerk"]}),
        ("guardrail honest", {"agent": ["Clerk"]}),
        ("guardrail polite", {"agent": ["Clerk"]}),
    ]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_that_waited_for_a_human_still_belongs_to_its_agent(streamed: bool) -> None:
    @function_tool(needs_approval=True)
    def pay(wrapper: RunContextWrapper[Any]) -> str:
        return "paid"

    agent = Agent(name="Clerk", model=ScriptedModel([ToolCall("pay"), "Done."]), tools=[pay])
    server = asked(agent, streamed=streamed)
    assert value_of(await decided_by(server, lambda _: b'{"approved": true}')) == "Done."
    assert ("pay", {"agent": ["Clerk"], "call_id": "call_0_0"}) in told(server)
