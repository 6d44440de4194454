"""Agents as tools: any depth, in parallel, with the durability of the run that they are part of."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import restate
from agents import (
    Agent,
    FunctionTool,
    RunConfig,
    RunContextWrapper,
    Runner,
    ToolExecutionConfig,
    function_tool,
    set_tracing_disabled,
)
from journal_server import JournalServer, value_of
from pydantic import BaseModel

from perdure import DurableRunner
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@function_tool
async def look_up(wrapper: RunContextWrapper[list[str]], what: str) -> str:
    if wrapper.context is not None:
        wrapper.context.append(what)
    return f"found {what}"


def outputs(items: Any) -> str:
    return ", ".join(str(item["output"]) for item in items if item.get("type") == "function_call_output")


def caller(name: str, *tools: FunctionTool, calls: list[ToolCall], **options: Any) -> Agent[Any]:
    """An agent that makes its calls in one turn, and answers with what they returned."""
    return Agent(name=name, tools=list(tools), model=ScriptedModel([calls, outputs]), **options)


def leaf(name: str) -> Agent[Any]:
    return caller(name, look_up, calls=[ToolCall("look_up", {"what": name})])


def asked(run: Any, **options: Any) -> JournalServer:
    service = restate.Service("Agent")
    service.handler("run")(run)
    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


async def everywhere(agent: Agent[Any], **options: Any) -> tuple[Any, JournalServer]:
    """The final output and the context: of plain Runner, live, and replayed at every await."""

    async def run(ctx: restate.Context, message: str) -> list[Any]:
        context: list[str] = []
        result = await DurableRunner.run(agent, message, context=context, **options)
        return [result.final_output, sorted(context), result.context_wrapper.usage.requests]

    context: list[str] = []
    result = await Runner.run(agent, "hello", context=context, **options)
    plain = [result.final_output, sorted(context), result.context_wrapper.usage.requests]
    assert value_of(await asked(run).run()) == plain
    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == plain
    return plain, server


async def test_three_deep_and_three_at_once_beside_a_plain_tool() -> None:
    def tree(name: str, depth: int) -> Agent[Any]:
        if depth == 0:
            return leaf(name)
        below = [tree(f"{name}{n}", depth - 1) for n in range(3 if depth == 3 else 1)]
        tools = [agent.as_tool(f"ask_{agent.name}", "Asks.") for agent in below]
        calls = [ToolCall(tool.name, {"input": "?"}) for tool in tools]
        return caller(name, look_up, *tools, calls=[ToolCall("look_up", {"what": name}), *calls])

    (answer, context, requests), server = await everywhere(tree("a", 3))
    assert answer == (
        "found a, found a0, found a00, found a000, found a1, found a10, found a100, "
        "found a2, found a20, found a200"
    )
    assert len(context) == 10
    assert server.commands().count("Run look_up") == 10
    assert server.commands().count("Run call LLM") == requests == 20


async def test_a_cap_of_one_holds_in_the_nested_run_too() -> None:
    running = most = 0

    @function_tool
    async def work(n: int) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1
        return str(n)

    calls = [ToolCall("work", {"n": n}) for n in range(3)]
    config = RunConfig(tool_execution=ToolExecutionConfig(max_function_tool_concurrency=1))
    inner = caller("Inner", work, calls=calls)
    tool = inner.as_tool("ask", "Asks.", run_config=config)
    outer = caller("Outer", tool, work, calls=[ToolCall("ask", {"input": "?"}), *calls])
    (answer, _, _), server = await everywhere(outer, run_config=config)
    assert answer == "0, 1, 2, 0, 1, 2"
    assert most == 1
    assert server.commands().count("Run work") == 6


class Question(BaseModel):
    topic: str
    pages: int


async def test_structured_input_and_an_output_extractor() -> None:
    inner = Agent(name="Inner", model=ScriptedModel([lambda items: f"asked: {'rivers' in str(items)}"]))

    async def extract(result: Any) -> str:
        return f"<{result.final_output}>"

    tool = inner.as_tool(
        "ask", "Asks.", parameters=Question, include_input_schema=True, custom_output_extractor=extract
    )
    outer = caller("Outer", tool, calls=[ToolCall("ask", {"topic": "rivers", "pages": 2})])
    (answer, _, _), _ = await everywhere(outer)
    assert answer == "<asked: True>"


async def test_a_condition_hides_an_agent() -> None:
    hidden = leaf("hidden").as_tool("hidden", "Asks.", is_enabled=lambda _ctx, _agent: False)
    shown = leaf("shown").as_tool("shown", "Asks.", is_enabled=lambda _ctx, _agent: True)
    (answer, _, _), server = await everywhere(
        caller("Outer", hidden, shown, calls=[ToolCall("shown", {"input": "?"})])
    )
    assert answer == "found shown"
    assert "Run enabled tools" in server.commands()


def failing(way: str) -> FunctionTool:
    @function_tool(failure_error_function=None)
    async def fails() -> str:
        raise ValueError("broken")

    if way == "a tool in it fails":
        return caller("Inner", fails, calls=[ToolCall("fails")]).as_tool("ask", "Asks.")
    endless = Agent(name="Inner", tools=[look_up], model=ScriptedModel([ToolCall("look_up", {"what": "x"})]))
    return endless.as_tool("ask", "Asks.", max_turns=2)


@pytest.mark.parametrize("way", ["a tool in it fails", "too many turns"])
async def test_a_failure_inside_is_told_to_the_outer_model(way: str) -> None:
    (answer, _, _), server = await everywhere(
        caller("Outer", failing(way), calls=[ToolCall("ask", {"input": "?"})])
    )
    assert "An error occurred while running the tool" in answer
    assert "Run ask" not in server.commands()


async def test_a_nested_agent_may_stream() -> None:
    heard: list[list[str]] = []

    async def run(ctx: restate.Context, message: str) -> Any:
        seen: list[str] = []
        heard.append(seen)

        async def on_stream(event: Any) -> None:
            seen.append(f"{event['agent'].name} {event['event'].type}")

        tool = leaf("inner").as_tool("ask", "Asks.", on_stream=on_stream)
        outer = caller("Outer", tool, calls=[ToolCall("ask", {"input": "?"})])
        return (await DurableRunner.run(outer, message)).final_output

    server = asked(run, suspend_always=True)
    value_of(await server.run())
    assert server.commands() == [
        "Input",
        "Run call LLM",
        "Run call LLM",
        "Run look_up",
        "Run call LLM",
        "Run call LLM",
        "Output",
    ]
    assert "inner run_item_stream_event" in heard[-1]
    assert all(seen == heard[-1][: len(seen)] for seen in heard)
