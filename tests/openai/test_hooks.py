"""Hooks act on the world, so each call of one is a step: made once, not once a replay."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
import restate
from agent_invocation import asked, asking
from agents import (
    Agent,
    AgentHooks,
    RunContextWrapper,
    RunHooks,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from journal_server import value_of

from perdure import DurableRunner, step
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@function_tool
async def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word}: a greeting"


class EveryRunHook(RunHooks[Any]):
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def on_agent_start(self, context: Any, agent: Any) -> None:
        await asyncio.sleep(0.001)  # I/O of its own, on the real loop
        self.heard.append(f"start {agent.name}")

    async def on_agent_end(self, context: Any, agent: Any, output: Any) -> None:
        self.heard.append(f"end {agent.name} {output}")

    async def on_llm_start(self, context: Any, agent: Any, system_prompt: Any, input_items: Any) -> None:
        self.heard.append(f"ask {system_prompt} {len(input_items)}")

    async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
        self.heard.append(f"answered {response.response_id} {context.usage.total_tokens}")

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
        self.heard.append(f"call {tool.name} {context.tool_arguments}")

    async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
        self.heard.append(f"called {tool.name} {result}")

    async def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> None:
        self.heard.append(f"hand {from_agent.name} -> {to_agent.name}")


class EveryAgentHook(AgentHooks[Any]):
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def on_start(self, context: Any, agent: Any) -> None:
        self.heard.append(f"start {agent.name}")

    async def on_end(self, context: Any, agent: Any, output: Any) -> None:
        self.heard.append(f"end {agent.name} {output}")

    async def on_handoff(self, context: Any, agent: Any, source: Any) -> None:
        self.heard.append(f"hand {source.name} -> {agent.name}")

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
        self.heard.append(f"call {tool.name}")

    async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
        self.heard.append(f"called {tool.name}")

    async def on_llm_start(self, context: Any, agent: Any, system_prompt: Any, input_items: Any) -> None:
        self.heard.append("ask")

    async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
        self.heard.append("answered")


def two_agents(hooks: AgentHooks[Any] | None) -> Agent[Any]:
    clerk = Agent(
        name="Clerk",
        instructions="File it.",
        tools=[look_up],
        model=ScriptedModel(["?", ToolCall("look_up", {"word": "hello"}), "filed"]),
        hooks=hooks,
    )
    return Agent(
        name="Desk",
        instructions="Pass on.",
        handoffs=[clerk],
        model=ScriptedModel([ToolCall("transfer_to_clerk")]),
        hooks=hooks,
    )


async def test_every_hook_is_called_once_and_as_the_sdk_calls_it() -> None:
    run_hooks, agent_hooks = EveryRunHook(), EveryAgentHook()
    server = asking(two_agents(agent_hooks), hooks=run_hooks)
    assert value_of(await server.run()) == "filed"
    assert server.attempts > 10

    plain_run, plain_agent = EveryRunHook(), EveryAgentHook()
    await Runner.run(two_agents(plain_agent), "hello", hooks=plain_run)
    assert run_hooks.heard == plain_run.heard
    assert agent_hooks.heard == plain_agent.heard
    commands = server.commands()
    assert commands.count("Run hook on_tool_start: look_up") == 1
    assert commands.count("Run agent hook on_tool_end: look_up") == 1
    assert commands[1:3] == ["Run hook on_agent_start: Desk", "Run agent hook on_start: Desk"]
    assert "Run hook on_handoff: Clerk" in commands
    assert sum("hook" in command for command in commands) == len(run_hooks.heard) + len(agent_hooks.heard)


async def test_a_method_that_nobody_overrides_makes_no_entry() -> None:
    class OnlyTools(RunHooks[Any]):
        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            pass

    server = asking(two_agents(AgentHooks()), hooks=OnlyTools())
    assert value_of(await server.run()) == "filed"
    assert [c for c in server.commands() if "hook" in c] == ["Run hook on_tool_start: look_up"]


async def test_a_method_set_on_the_object_is_called_too() -> None:
    heard: list[str] = []
    hooks: RunHooks[Any] = RunHooks()

    async def on_agent_start(context: Any, agent: Any) -> None:
        heard.append(agent.name)

    hooks.on_agent_start = on_agent_start  # type: ignore[method-assign]
    assert value_of(await asking(two_agents(None), hooks=hooks).run()) == "filed"
    assert heard == ["Desk", "Clerk"]


@dataclass
class Progress:
    done: list[str] = field(default_factory=list)


async def test_what_a_hook_changes_in_the_context_is_there_after_a_replay() -> None:
    class Note(RunHooks[Progress]):
        async def on_tool_end(
            self, context: RunContextWrapper[Progress], agent: Any, tool: Any, result: Any
        ) -> None:
            context.context.done.append(tool.name)

    class NoteStart(AgentHooks[Progress]):
        async def on_start(self, context: RunContextWrapper[Progress], agent: Any) -> None:
            context.context.done.append(agent.name)

    async def run(ctx: restate.Context, message: str) -> Any:
        progress = Progress()
        await DurableRunner.run(two_agents(NoteStart()), message, context=progress, hooks=Note())
        return progress.done

    assert value_of(await asked(run, suspend_always=True).run()) == ["Desk", "Clerk", "look_up"]


async def test_an_error_of_a_hook_leaves_the_run_as_without_us() -> None:
    calls: list[str] = []

    class Breaks(RunHooks[Any]):
        async def on_agent_start(self, context: Any, agent: Any) -> None:
            calls.append("x")
            raise LookupError("no progress bar")

    async def run(ctx: restate.Context, message: str) -> str:
        try:
            await DurableRunner.run(two_agents(None), message, hooks=Breaks())
        except LookupError as error:
            return str(error)
        return "?"

    assert value_of(await asked(run, suspend_always=True).run()) == "no progress bar"
    assert calls == ["x"]


async def test_steps_and_runs_inside_of_a_hook_are_refused() -> None:
    class Steps(RunHooks[Any]):
        async def on_agent_start(self, context: Any, agent: Any) -> None:
            await step("save", print)

    class Runs(AgentHooks[Any]):
        async def on_start(self, context: Any, agent: Any) -> None:
            await DurableRunner.run(Agent(name="Inner", model=ScriptedModel(["x"])), "?")

    message = (await asking(two_agents(None), hooks=Steps()).run()).failure.message
    assert "step 'save' is inside the step 'hook on_agent_start: Desk'" in message
    message = (await asking(two_agents(Runs())).run()).failure.message
    assert "inside the step 'agent hook on_start: Desk'" in message


async def test_hooks_of_a_nested_agent_are_steps_too() -> None:
    heard = EveryAgentHook()
    inner = Agent(name="Inner", model=ScriptedModel(["inner"]), hooks=heard)
    outer = Agent(
        name="Outer",
        tools=[inner.as_tool("ask", "Ask.", hooks=(hooks := EveryRunHook()))],
        model=ScriptedModel([ToolCall("ask", {"input": "?"}), "done"]),
    )
    assert value_of(await asking(outer).run()) == "done"
    assert heard.heard == ["start Inner", "ask", "answered", "end Inner inner"]
    assert hooks.heard[0] == "start Inner"
    assert len(hooks.heard) == 4


async def test_hooks_of_the_wrong_kind_are_told_by_the_sdk() -> None:
    wrong: Any = EveryAgentHook()
    with pytest.raises(AssertionError, match="Run hooks must be instances of RunHooks"):
        await asking(two_agents(None), hooks=wrong).run()
