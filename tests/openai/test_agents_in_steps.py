"""An agent that is run inside of a step works as without Perdure, and not in silence."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Literal

import pytest
import restate
from agents import Agent, Runner, set_tracing_disabled
from agents import function_tool as sdk_function_tool
from journal_server import JournalServer, value_of

from perdure import DurableOptions, DurableRunner, RetryPolicy, function_tool
from perdure.openai import agents_in_steps
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    set_tracing_disabled(True)
    monkeypatch.setattr(agents_in_steps, "_told", set())


def boss(tool: Any) -> Agent[Any]:
    return Agent(name="Boss", tools=[tool], model=ScriptedModel([ToolCall(tool.name), "done"]))


def asked(agent: Agent[Any], options: DurableOptions | None = None, **server: Any) -> JournalServer:
    service = restate.Service("Agent")

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> str:
        return str((await DurableRunner.run(agent, message, options=options)).final_output)

    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **server)


async def helper(*tools: Any, **options: Any) -> str:
    script = [[ToolCall(tool.name) for tool in tools], "42"] if tools else ["42"]
    colleague: Agent[Any] = Agent(name="Colleague", tools=list(tools), model=ScriptedModel(script), **options)
    return str((await Runner.run(colleague, "?")).final_output)


@sdk_function_tool
async def ask() -> str:
    return await helper()


@sdk_function_tool
def ask_in_a_thread() -> str:
    return asyncio.run(helper())


@pytest.mark.parametrize("tool", [ask, ask_in_a_thread], ids=["async", "plain"])
async def test_it_is_one_entry_and_a_warning_says_what_that_means_once(
    tool: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        server = asked(boss(tool), suspend_always=True)
        assert value_of(await server.run()) == "done"
        assert server.commands()[1:-1] == ["Run call LLM", f"Run {tool.name}", "Run call LLM"]
    [warning] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert f"agent 'Colleague' is run inside the step '{tool.name}'" in warning
    assert "a crash has all of it made again" in warning
    assert "@perdure.durable_tool" in warning
    assert "DurableOptions(agents_in_steps='allow')" in warning


@pytest.mark.parametrize("choice", ["allow", "refuse"])
async def test_it_may_be_meant_so_or_be_an_error(
    choice: Literal["allow", "refuse"], caplog: pytest.LogCaptureFixture
) -> None:
    server = asked(boss(ask), DurableOptions(agents_in_steps=choice))
    output = await server.run()
    if choice == "allow":
        assert value_of(output) == "done"
    else:
        assert "agent 'Colleague' was run inside the step 'ask'" in output.failure.message
    assert not caplog.records


async def test_an_effect_cannot_be_claimed_there_so_it_is_not_made() -> None:
    charged: list[str] = []

    @function_tool(once=True)
    async def charge() -> str:
        charged.append("10 USD")
        return "charged"

    @sdk_function_tool
    async def pay() -> str:
        return await helper(charge)

    failure = (await asked(boss(pay)).run()).failure
    assert "tool 'charge' has once=True" in failure.message
    assert "inside the step 'pay'" in failure.message
    assert not charged


async def test_its_tools_are_tried_again_by_nobody_elses_policy() -> None:
    """The policy of the tool that is the step says nothing about the tools of an agent in it."""
    tries: list[str] = []

    @function_tool(failure_error_function=lambda _c, error: f"sorry: {error}")
    async def flaky() -> str:
        tries.append("flaky")
        raise ConnectionError("down")

    @function_tool(retry=RetryPolicy(attempts_max=3))
    async def outer() -> str:
        tries.append("outer")
        return await helper(flaky)

    assert value_of(await asked(boss(outer)).run()) == "done"
    assert tries == ["outer", "flaky"]
