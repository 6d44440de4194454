"""What the doctor says of agents, without running them."""

from __future__ import annotations

from typing import Any

import restate
from agents import (
    Agent,
    AgentHooks,
    GuardrailFunctionOutput,
    InputGuardrail,
    RunContextWrapper,
    Runner,
    WebSearchTool,
    function_tool,
    handoff,
)
from agents.sandbox import SandboxAgent

from perdure import durable_tool
from perdure.openai.graph import examine, reachable


@function_tool
async def look_up(word: str) -> str:
    """Look up."""
    return word


@durable_tool
async def book(trip: str) -> str:
    """Book."""
    return trip


@function_tool(needs_approval=True)
async def pay(run: RunContextWrapper[restate.Context], amount: int) -> str:
    """Pay."""
    return str(amount)


def kinds(agent: Agent[Any]) -> dict[str, str]:
    (report, *_) = examine([agent])
    return {finding.what: finding.kind for finding in report.findings}


def test_tools() -> None:
    helper = Agent(name="Helper")
    agent = Agent(name="A", tools=[look_up, book, pay, WebSearchTool(), helper.as_tool("ask_helper", "Ask.")])
    assert kinds(agent) == {
        "call LLM": "step",
        "look_up": "step",
        "book": "orchestration",
        "approval pay": "orchestration",
        "pay": "step",
        "web_search": "provider",
        "ask_helper": "orchestration",
    }


async def ask_somebody() -> str:
    return str((await Runner.run(Agent(name="Somebody"), "?")).final_output)


def test_a_tool_that_may_run_agents_inside_of_its_step_is_pointed_out() -> None:
    @function_tool
    async def research() -> str:
        """Research."""
        return await ask_somebody()

    @function_tool
    def wait_for_research() -> str:
        """Research."""
        return str(Runner.run_sync(Agent(name="Somebody"), "?").final_output)

    (report, *_) = examine([Agent(name="A", tools=[research, wait_for_research])])
    roundabout, blocking = (f for f in report.findings if f.what.endswith("research"))
    assert (roundabout.kind, blocking.kind) == ("step", "step")
    assert "the agents that ask_somebody() may run in it" in roundabout.why
    assert "the agents that wait_for_research() may run in it" in blocking.why


def test_guardrails_hooks_and_instructions() -> None:
    async def judged(ctx: Any, agent: Any, text: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(None, False)

    def short(ctx: Any, agent: Any, text: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(None, False)

    class Progress(AgentHooks[Any]):
        async def on_start(self, context: Any, agent: Any) -> None:
            """Tell."""

    def instructions(ctx: Any, agent: Any) -> str:
        return "..."

    agent = Agent(
        name="A",
        instructions=instructions,
        hooks=Progress(),
        input_guardrails=[InputGuardrail(judged), InputGuardrail(short)],
    )
    assert kinds(agent) == {
        "call LLM": "step",
        "instructions instructions": "orchestration",
        "guardrail judged": "orchestration",
        "guardrail short": "step",
        "agent hook on_start": "step",
    }


def test_agents_are_found_through_handoffs_and_tools_once_each_in_circles_too() -> None:
    inner, back, front = Agent(name="Inner"), Agent(name="Back"), Agent(name="Front")
    front.handoffs = [handoff(back)]
    back.handoffs = [front]
    back.tools = [inner.as_tool("inner", "Ask.")]
    assert [agent.name for agent in reachable([front])] == ["Front", "Back", "Inner"]


def test_a_callback_of_a_handoff_is_a_step() -> None:
    back = Agent(name="Back")
    plain, told = (
        Agent(name="A", handoffs=[back]),
        Agent(name="B", handoffs=[handoff(back, on_handoff=lambda ctx: None)]),
    )
    assert kinds(plain)["handoff to Back"] == "orchestration"
    assert kinds(told)["on_handoff: Back"] == "step"


def test_a_sandbox_is_refused() -> None:
    assert kinds(SandboxAgent(name="S"))["sandbox"] == "refused"
