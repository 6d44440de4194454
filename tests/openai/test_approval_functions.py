"""Who asks for approval: functions of the user, hosted MCP tools, MCP servers. What they said stays said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import restate
from agents import (
    Agent,
    HostedMCPTool,
    Model,
    ModelResponse,
    RunContextWrapper,
    Usage,
    function_tool,
    set_tracing_disabled,
)
from human import announced, decided_by, suspended
from journal_server import JournalServer, value_of
from mcp_shop import Shop
from openai.types.responses import ResponseOutputMessage, ResponseOutputText
from openai.types.responses.response_output_item import McpApprovalRequest

from perdure import DurableRunner
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

YES = b'{"approved": true}'
NO = b'{"approved": false, "message": "not that one"}'


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


def running(agent: Agent[Any], *, with_context: bool = False) -> JournalServer:
    service = restate.Service("Agent")

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> Any:
        context = ctx if with_context else None
        return (await DurableRunner.run(agent, message, context=context)).final_output

    app = restate.app([service])
    return JournalServer(app, "/invoke/Agent/run", request=b'"hello"', suspend_always=True)


def last_output(conversation: Any) -> str:
    return str(conversation[-1]["output"])


# ---- needs_approval=function


def says_no_from_the_second_time_on(asynchronous: bool) -> Any:
    """As a limit that is changed while the run waits for its approval."""
    times: list[int] = []

    def plain(_context: RunContextWrapper[Any], _arguments: dict[str, Any], _call_id: str) -> bool:
        times.append(1)
        return len(times) == 1

    async def later(*data: Any) -> bool:
        return plain(*data)

    return later if asynchronous else plain


@pytest.mark.parametrize("orchestrates", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_what_a_function_said_first_counts_however_often_the_run_is_replayed(
    asynchronous: bool,
    orchestrates: bool,
) -> None:
    paid: list[str] = []

    @function_tool(needs_approval=says_no_from_the_second_time_on(asynchronous))
    async def pay(to: str) -> str:
        paid.append(to)
        return f"paid {to}"

    model = ScriptedModel([ToolCall("pay", {"to": "Ada"}), last_output])
    server = running(Agent(name="Clerk", model=model, tools=[pay]), with_context=orchestrates)
    assert await suspended(server) is None
    assert len(announced(server)) == 1
    assert value_of(await decided_by(server, lambda _question: YES)) == "paid Ada"
    assert paid == ["Ada"]
    assert server.commands().count("Run needs_approval") == 1


async def test_an_async_function_does_io_of_its_own(tmp_path: Path) -> None:
    asked: list[str] = []

    async def over_the_limit(_context: Any, _arguments: Any, _call_id: str) -> bool:
        asked.append(await asyncio.to_thread((tmp_path / "limit").read_text))
        return False

    @function_tool(needs_approval=over_the_limit)
    async def pay(to: str) -> str:
        return f"paid {to}"

    (tmp_path / "limit").write_text("50")
    model = ScriptedModel([ToolCall("pay", {"to": "Ada"}), last_output])
    assert value_of(await running(Agent(name="Clerk", model=model, tools=[pay])).run()) == "paid Ada"
    assert asked == ["50"], "once, however often the run is replayed"


async def test_an_error_of_such_a_function_is_the_same_ever_after() -> None:
    class Closed(Exception):
        pass

    def closed(*_data: Any) -> bool:
        raise Closed("come back tomorrow")

    @function_tool(needs_approval=closed)
    async def pay(to: str) -> str:
        return to

    model = ScriptedModel([ToolCall("pay", {"to": "Ada"}), last_output])
    output = await running(Agent(name="Clerk", model=model, tools=[pay])).run()
    assert "come back tomorrow" in output.failure.message


# ---- hosted MCP tools, whose requests come from the model's side


class HostedModel(Model):
    """Asks once to use `delete` of a hosted MCP server, and then tells the response that it got."""

    def __init__(self) -> None:
        self.calls = 0

    async def get_response(self, system_instructions: Any, input: Any, *args: Any, **options: Any) -> Any:  # noqa: A002
        self.calls += 1
        responses = [
            item for item in input if isinstance(item, dict) and item.get("type") == "mcp_approval_response"
        ]
        output: Any
        if responses:
            text = f"{responses[0]['approve']} {responses[0].get('reason')}"
            part = ResponseOutputText(type="output_text", text=text, annotations=[])
            output = ResponseOutputMessage(
                id="msg_1", type="message", role="assistant", status="completed", content=[part]
            )
        else:
            output = McpApprovalRequest(
                id="mcpr_1",
                type="mcp_approval_request",
                server_label="files",
                name="delete",
                arguments='{"path": "/tmp"}',
            )
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError


def hosted(**options: Any) -> HostedMCPTool:
    config: Any = {
        "type": "mcp",
        "server_label": "files",
        "server_url": "https://x",
        "require_approval": "always",
    }
    return HostedMCPTool(tool_config=config, **options)


@pytest.mark.parametrize(("answer", "told"), [(YES, "True None"), (NO, "False not that one")])
async def test_a_hosted_mcp_tool_waits_for_a_human(answer: bytes, told: str) -> None:
    model = HostedModel()
    server = running(Agent(name="Clerk", model=model, tools=[hosted()]))
    assert value_of(await decided_by(server, lambda _question: answer)) == told
    (question,) = announced(server)
    assert (question["tool"], question["arguments"]) == ("delete", {"path": "/tmp"})
    assert question["call_id"] == "mcpr_1"
    assert model.calls == 2


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_the_callback_of_a_hosted_mcp_tool_decides_once(asynchronous: bool) -> None:
    asked: list[str] = []

    def plain(request: Any) -> Any:
        asked.append(request.data.name)
        return {"approve": len(asked) > 1, "reason": f"refused at time {len(asked)}"}

    async def later(request: Any) -> Any:
        return plain(request)

    tool = hosted(on_approval_request=later if asynchronous else plain)
    agent = Agent(name="Clerk", model=HostedModel(), tools=[tool])
    server = running(agent)
    assert value_of(await server.run()) == "False refused at time 1"
    assert "Run on_approval" in server.commands()
    assert announced(server) == []
    assert agent.tools == [tool]


# ---- tools of MCP servers


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    shop = Shop("streamable-http", tmp_path)
    await shop.start()
    yield shop
    shop.process.kill()


@pytest.mark.parametrize(("answer", "calls"), [(YES, ["add"]), (NO, [])])
async def test_a_tool_of_an_mcp_server_waits_for_a_human(shop: Shop, answer: bytes, calls: list[str]) -> None:
    model = ScriptedModel([ToolCall("add", {"a": 1, "b": 2}), "done"])
    server_of_tools = shop.server(require_approval="always")
    server = running(Agent(name="Buyer", model=model, mcp_servers=[server_of_tools]))
    assert await suspended(server) is None
    assert shop.calls() == []
    (question,) = announced(server)
    assert (question["tool"], question["arguments"]) == ("add", {"a": 1, "b": 2})
    assert value_of(await decided_by(server, lambda _question: answer)) == "done"
    assert shop.calls() == calls
