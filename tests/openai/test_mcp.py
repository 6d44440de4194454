"""MCP servers, real ones in child processes: every request is one step, and none is made twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import restate
from agents import Agent, Runner, set_tracing_disabled
from agents.mcp import MCPServerManager
from journal_server import JournalServer, value_of
from mcp_shop import TRANSPORTS, Shop, Transport

from perdure import DurableRunner
from perdure.openai import durable
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@pytest.fixture(scope="module")
def open_shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Transport, Shop]]:
    """One server a transport for all tests that do not kill it: a start takes a second."""
    shops: dict[Transport, Shop] = {name: Shop(name, tmp_path_factory.mktemp(name)) for name in TRANSPORTS}
    yield shops
    for shop in shops.values():
        shop.process.kill()


@pytest.fixture
def transport() -> Transport:
    return "streamable-http"


@pytest.fixture
async def shop(transport: Transport, open_shops: dict[Transport, Shop]) -> Shop:
    """An MCP server that has recorded no call yet."""
    shop = open_shops[transport]
    await shop.start()
    shop.log.unlink(missing_ok=True)
    return shop


@pytest.fixture
async def own_shop(transport: Transport, tmp_path: Path) -> AsyncIterator[Shop]:
    """An MCP server for this test alone, which may kill it."""
    shop = Shop(transport, tmp_path)
    await shop.start()
    yield shop
    shop.process.kill()


def asked(handler: Any, **options: Any) -> JournalServer:
    """An invocation of a handler `(ctx, message)`, with the message "hello", replayed at every await."""
    service = restate.Service("Agent")
    service.handler("run")(handler)
    options = {"suspend_always": True, **options}
    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


def adding() -> ScriptedModel:
    return ScriptedModel([ToolCall("add", {"a": 1, "b": 2}), lambda items: items[-1]["output"][0]["text"]])


def agent_with(*servers: Any, model: ScriptedModel | None = None, **options: Any) -> Agent[Any]:
    return Agent(name="Buyer", model=model or adding(), mcp_servers=list(servers), **options)


TURN = ["Run mcp list_tools: shop", "Run call LLM"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_server_that_nobody_connected(shop: Shop) -> None:
    agent = agent_with(shop.server())

    async def run(ctx: restate.Context, message: str) -> Any:
        return (await DurableRunner.run(agent, message)).final_output

    server = asked(run)
    assert value_of(await server.run()) == "3"
    assert server.commands() == ["Input", *TURN, "Run add", *TURN, "Output"]
    assert shop.calls() == ["add"]
    assert len(shop.starts()) <= 1, "one connection for all attempts"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_server_connected_around_the_run(shop: Shop, transport: Transport) -> None:
    async def run(ctx: restate.Context, message: str) -> Any:
        async with shop.server() as server:
            return (await DurableRunner.run(agent_with(server), message)).final_output

    # each attempt connects anew, which over stdio is a process: two of them are enough
    often = {"suspend_always": False, "break_after": {7}} if transport == "stdio" else {}
    server = asked(run, **often)
    assert value_of(await server.run()) == "3"
    assert server.commands() == ["Input", *TURN, "Run add", *TURN, "Output"]
    assert shop.calls() == ["add"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_server_connected_in_a_durable_handler(shop: Shop) -> None:
    @durable
    async def run(ctx: restate.Context, message: str) -> Any:
        async with shop.server() as server:
            return (await Runner.run(agent_with(server), message)).final_output

    server = asked(run)
    assert value_of(await server.run()) == "3"
    assert server.commands() == ["Input", *TURN, "Run add", *TURN, "Output"]
    assert shop.calls() == ["add"]


@pytest.mark.parametrize("in_parallel", [False, True])
async def test_a_manager_in_a_durable_handler_leaves_no_trace_in_the_journal(
    shop: Shop, in_parallel: bool
) -> None:
    @durable
    async def run(ctx: restate.Context, message: str) -> Any:
        async with MCPServerManager([shop.server()], connect_in_parallel=in_parallel) as manager:
            return (await Runner.run(agent_with(*manager.active_servers), message)).final_output

    server = asked(run)
    assert value_of(await server.run()) == "3"
    assert server.commands() == ["Input", *TURN, "Run add", *TURN, "Output"]
    assert shop.calls() == ["add"]
