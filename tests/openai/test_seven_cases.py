"""Seven agents that people write and that durable runners fail: docs/guide/seven-cases.md is their table.

Each is replayed at every await, which is the hardest a journal can be treated.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
import restate
from agents import Agent, ModelSettings, RunConfig, ToolExecutionConfig, function_tool, set_tracing_disabled
from journal_server import JournalServer, value_of

from perdure import DurableRunner
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


async def journal_of(agent: Agent[Any], answer: Any, **options: Any) -> list[str]:
    """Run the agent, replayed at every await; check its answer, and give the commands of its journal."""
    service = restate.Service("Agent")

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> Any:
        return (await DurableRunner.run(agent, message, **options)).final_output

    server = JournalServer(
        restate.app([service]), "/invoke/Agent/run", request=b'"hello"', suspend_always=True
    )
    assert value_of(await server.run()) == answer
    return server.commands()


async def test_1_a_model_instance_on_the_agent_is_journaled() -> None:
    model = ScriptedModel(["hi"])
    journal = await journal_of(Agent(name="A", model=model), "hi")
    assert journal == ["Input", "Run call LLM", "Output"]
    assert model.calls == [0]


async def test_2_a_model_instance_on_the_run_config_is_journaled() -> None:
    model = ScriptedModel(["hi"])
    agent = Agent(name="A", model=ScriptedModel(["never asked"]))
    assert await journal_of(agent, "hi", run_config=RunConfig(model=model)) == [
        "Input",
        "Run call LLM",
        "Output",
    ]
    assert model.calls == [0]


async def test_3_handoffs_in_a_circle() -> None:
    front, back = Agent(name="Front"), Agent(name="Back")
    front.handoffs, back.handoffs = [back], [front]
    front.model = back.model = ScriptedModel(
        [ToolCall("transfer_to_back"), ToolCall("transfer_to_front"), ToolCall("transfer_to_back"), "done"]
    )
    assert (await journal_of(front, "done")).count("Run call LLM") == 4


async def test_4_a_run_config_as_a_dict() -> None:
    config: Any = {"model": ScriptedModel(["hi"]), "workflow_name": "mine"}
    assert await journal_of(Agent(name="A"), "hi", run_config=config) == ["Input", "Run call LLM", "Output"]


async def test_5_tools_of_an_agent_as_tool_beside_outer_tools() -> None:
    ran: Counter[str] = Counter()
    together = 0
    most = 0

    @function_tool
    async def look_up(what: str) -> str:
        """Look up."""
        nonlocal together, most
        ran[what] += 1
        together += 1
        most = max(most, together)
        await asyncio.sleep(0.01)
        together -= 1
        return what

    inner = Agent(
        name="Inner",
        tools=[look_up],
        model=ScriptedModel([[ToolCall("look_up", {"what": w}) for w in ("in-1", "in-2")], "inner done"]),
    )
    outer = Agent(
        name="Outer",
        tools=[look_up, inner.as_tool("ask", "Ask.")],
        model=ScriptedModel(
            [
                [
                    ToolCall("look_up", {"what": "out-1"}),
                    ToolCall("ask", {"input": "?"}),
                    ToolCall("look_up", {"what": "out-2"}),
                ],
                "done",
            ]
        ),
    )
    journal = await journal_of(outer, "done")
    assert journal.count("Run look_up") == 4
    assert ran == {"in-1": 1, "in-2": 1, "out-1": 1, "out-2": 1}
    assert most >= 2, "they ran one after the other"


async def test_6_a_nested_agent_under_a_cap_of_one_tool_at_a_time() -> None:
    @function_tool
    async def look_up(what: str) -> str:
        """Look up."""
        return what

    inner = Agent(
        name="Inner",
        tools=[look_up],
        model=ScriptedModel([[ToolCall("look_up", {"what": w}) for w in ("a", "b")], "inner done"]),
    )
    outer = Agent(
        name="Outer",
        tools=[inner.as_tool("ask", "Ask."), look_up],
        model_settings=ModelSettings(parallel_tool_calls=True),
        model=ScriptedModel([[ToolCall("ask", {"input": "?"}), ToolCall("look_up", {"what": "c"})], "done"]),
    )
    config = RunConfig(tool_execution=ToolExecutionConfig(max_function_tool_concurrency=1))
    assert (await journal_of(outer, "done", run_config=config)).count("Run look_up") == 3
