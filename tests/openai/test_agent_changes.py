"""What a hook or a tool adds to an agent belongs to the process, and a run without it says so."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import restate
from agent_invocation import asked
from agents import Agent, AgentHooks, handoff, set_tracing_disabled
from agents import RunContextWrapper as Context
from agents import function_tool as sdk_function_tool
from journal_server import JournalServer, value_of

from perdure import DurableRunner
from perdure.openai import agent_changes
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    set_tracing_disabled(True)
    monkeypatch.setattr(agent_changes, "_told", set())


@sdk_function_tool
async def query() -> str:
    return "42 rows"


@sdk_function_tool
async def look_up() -> str:
    return "?"


class Equipping(AgentHooks[Any]):
    """Gives its agent a tool when it starts, unless it has it."""

    async def on_start(self, context: Any, agent: Any) -> None:
        if query not in agent.tools:
            agent.tools.append(query)


def equipped() -> Agent[Any]:
    return Agent(name="Analyst", hooks=Equipping(), model=ScriptedModel([ToolCall("query"), "done"]))


def asking(agent_of_attempt: Any, **options: Any) -> JournalServer:
    async def run(ctx: restate.Context, message: str) -> str:
        return str((await DurableRunner.run(agent_of_attempt(), message)).final_output)

    return asked(run, **options)


async def test_it_works_as_long_as_the_agent_keeps_it_and_a_warning_says_that_it_may_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    agent = equipped()
    assert value_of(await asking(lambda: agent, suspend_always=True).run()) == "done"
    assert value_of(await asking(lambda: agent, suspend_always=True).run()) == "done"
    [warning] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "the step 'agent hook on_start: Analyst' added to agent 'Analyst': tools 'query'" in warning
    assert "Add them where the agent is made" in warning


async def test_an_attempt_whose_agent_does_not_have_it_fails_with_what_is_missing() -> None:
    """As in a process that was started again, which makes the agent anew."""
    server = asking(equipped, suspend_always=True)
    message = (await server.run()).failure.message
    assert "agent 'Analyst' had more in an earlier attempt of this run: tools 'query'" in message


@pytest.mark.parametrize("part", ["tools", "handoffs"])
async def test_what_a_tool_adds_is_looked_after_too(part: str) -> None:
    other: Agent[Any] = Agent(name="Other", model=ScriptedModel(["?"]))

    def grown() -> Agent[Any]:
        @sdk_function_tool
        async def grow(context: Context[Any]) -> str:
            agent.tools.append(query) if part == "tools" else agent.handoffs.append(handoff(other))
            return "grown"

        agent: Agent[Any] = Agent(
            name="A", tools=[grow], model=ScriptedModel([ToolCall("grow"), ToolCall("query"), "done"])
        )
        return agent

    message = (await asking(grown, suspend_always=True).run()).failure.message
    assert f"{part} {'query' if part == 'tools' else 'Other'!r}" in message


async def test_what_was_taken_away_again_is_not_missed() -> None:
    class Lending(AgentHooks[Any]):
        async def on_start(self, context: Any, agent: Any) -> None:
            agent.tools.append(query)

        async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
            if query in agent.tools:
                agent.tools.remove(query)

    agent: Agent[Any] = Agent(
        name="A", tools=[look_up], hooks=Lending(), model=ScriptedModel([ToolCall("look_up"), "done"])
    )
    assert value_of(await asking(lambda: agent, suspend_always=True).run()) == "done"


async def test_what_is_journaled_is_replayed_without_it(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is missing where the run needs no further answer of the model."""

    class Late(AgentHooks[Any]):
        async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
            agent.tools.append(query)

    def made() -> Agent[Any]:
        return Agent(name="A", hooks=Late(), model=ScriptedModel(["done"]))

    assert value_of(await asking(made, suspend_always=True).run()) == "done"
    assert len(caplog.records) == 1
