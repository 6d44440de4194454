"""MCP servers, real ones in child processes: every request is one step, and none is made twice."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
import restate
from agents import Agent, RunContextWrapper, Runner, ToolCallOutputItem, set_tracing_disabled
from agents.mcp import (
    MCPServer,
    MCPServerManager,
    MCPServerStdio,
    MCPServerStreamableHttp,
    MCPToolMetaContext,
    ToolFilterContext,
)
from free_port import free_port
from journal_server import JournalServer, value_of
from mcp.types import CallToolResult, TextContent, Tool
from mcp_shop import TRANSPORTS, Shop, Transport

from perdure import DurableOptions, DurableRunner, RetryPolicy
from perdure.openai import durable, mcp_connections
from perdure.openai.compat.mcp import _transport
from perdure.openai.options import MCP_RETRY
from perdure.protocol.messages import MessageType
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


def running(agent: Agent[Any], **options: Any) -> Any:
    async def run(ctx: restate.Context, message: str) -> Any:
        return (await DurableRunner.run(agent, message, **options)).final_output

    return run


def calling(*calls: ToolCall) -> ScriptedModel:
    """A model that makes these calls one after another, and answers with all of their outputs."""

    def answer(items: Any) -> str:
        return json.dumps([item["output"] for item in items if item.get("type") == "function_call_output"])

    return ScriptedModel([*calls, answer])


async def outputs(agent: Agent[Any], **options: Any) -> list[Any]:
    """What the model saw of each call, durably, with a replay at every await."""
    return list(json.loads(value_of(await asked(running(agent, **options)).run())))


def text(words: str) -> list[dict[str, Any]]:
    return [{"type": "input_text", "text": words}]


async def test_each_kind_of_content_reaches_the_model_as_without_perdure(shop: Shop) -> None:
    async with shop.server() as server:
        plain = await Runner.run(agent_with(server, model=calling(ToolCall("everything"))), "hello")
    agent = agent_with(shop.server(), model=calling(ToolCall("everything")))
    assert await outputs(agent) == json.loads(plain.final_output)
    assert shop.calls() == ["everything", "everything"]


async def test_structured_content_is_used_where_asked_for(shop: Shop) -> None:
    agent = agent_with(shop.server(use_structured_content=True), model=calling(ToolCall("everything")))
    assert await outputs(agent) == ['{"price": 3, "nothing": null}']


async def test_prompts_and_resources_are_steps(shop: Shop) -> None:
    @durable
    async def run(ctx: restate.Context, message: str) -> Any:
        async with shop.server() as server:
            prompts = await server.list_prompts()
            prompt = await server.get_prompt("greet", {"name": message})
            resources = await server.list_resources()
            templates = await server.list_resource_templates()
            page = await server.read_resource("shop://catalogue")
            sum_ = await server.call_tool("add", {"a": 1, "b": 2})
        return [
            prompts.prompts[0].name,
            prompt.messages[0].content.text,
            str(resources.resources[0].uri),
            templates.resource_templates[0].uri_template,
            page.contents[0].text,
            sum_.structured_content,
        ]

    server = asked(run)
    assert value_of(await server.run()) == [
        "greet",
        "Say hello to hello.",
        "shop://catalogue",
        "shop://price/{what}",
        "apples, pears",
        {"result": 3},
    ]
    assert server.commands() == [
        "Input",
        "Run mcp list_prompts: shop",
        "Run mcp get_prompt: shop",
        "Run mcp list_resources: shop",
        "Run mcp list_resource_templates: shop",
        "Run mcp read_resource: shop",
        "Run add",
        "Output",
    ]
    assert shop.calls() == ["greet", "catalogue", "add"]


# ---- what a tool list depends on


@pytest.mark.parametrize("cached", [False, True])
async def test_a_list_that_changes_is_seen_as_plain_code_sees_it(shop: Shop, cached: bool) -> None:
    shop.process.kill()  # its list grows, and other tests count on it
    await shop.start()
    server = shop.server(cache_tools_list=cached)
    model = calling(ToolCall("add", {"a": 1, "b": 2}), ToolCall("grow"), ToolCall("novelty"))
    if cached:
        model.turns[2] = ToolCall("add", {"a": 1, "b": 2})
    journal = asked(running(agent_with(server, model=model)))
    assert value_of(await journal.run())
    lists = [run for run in results(journal) if run is None or "inputSchema" in str(run)]
    assert [run is None for run in lists] == (
        [False, True, True, True] if cached else [False, True, False, True]
    )
    assert journal.commands().count("Run mcp list_tools: shop") == 4, "whatever the process has cached"
    shop.process.kill()


def results(journal: JournalServer) -> list[Any]:
    """The results of all steps, in the order of the journal."""
    found = journal.entries(MessageType.RUN_COMPLETION)
    return [json.loads(completion.value.content).get("ok") for completion in found]


async def test_a_cache_of_this_process_decides_about_no_step(shop: Shop) -> None:
    server = shop.server(cache_tools_list=True)
    agent = agent_with(server)
    first = asked(running(agent))
    await first.run()
    second = asked(running(agent))
    await second.run()
    assert server.cached_tools is not None
    assert first.commands() == second.commands()
    server.invalidate_tools_cache()
    second.resume_from(second.journal[:-1])
    assert value_of(await second.run()) == "3"


def only_add(context: ToolFilterContext, tool: Any) -> bool:
    assert context.agent.name == "Buyer"
    return bool(tool.name == "add")


async def only_add_after_a_while(context: ToolFilterContext, tool: Any) -> bool:
    await anyio.sleep(0.001)  # real I/O: it runs in the step
    return only_add(context, tool)


@pytest.mark.parametrize(
    "tool_filter",
    [{"allowed_tool_names": ["add"]}, only_add, only_add_after_a_while],
    ids=["names", "plain", "async"],
)
async def test_tool_filters(shop: Shop, tool_filter: Any) -> None:
    seen: list[list[str]] = []

    @durable
    async def run(ctx: restate.Context, message: str) -> Any:
        agent = agent_with(shop.server(tool_filter=tool_filter))
        seen.append([tool.name for tool in await agent.get_mcp_tools(RunContextWrapper(None))])
        return (await Runner.run(agent, message)).final_output

    assert value_of(await asked(run).run()) == "3"
    assert all(names == ["add"] for names in seen)


# ---- options of servers and agents


async def test_meta_is_made_in_the_step_and_not_journaled(shop: Shop) -> None:
    async def tenant(context: MCPToolMetaContext) -> dict[str, Any]:
        await anyio.sleep(0.001)
        return {"tenant": f"secret-of-{context.server_name}"}

    server = shop.server(tool_meta_resolver=tenant)
    journal = asked(running(agent_with(server, model=calling(ToolCall("meta")))))
    assert json.loads(value_of(await journal.run())) == [text("secret-of-shop")]

    direct = asked(running(agent_with(server, model=calling(ToolCall("add", {"a": 1, "b": 2})))))
    await direct.run()
    assert b"secret" not in b"".join(frame.payload for frame in direct.journal)


async def test_custom_data_survives_replay(shop: Shop) -> None:
    seen: list[Any] = []

    async def run(ctx: restate.Context, message: str) -> Any:
        server = shop.server(
            custom_data_extractor=lambda context: {"sum": context.structured_content["result"]}
        )
        result = await DurableRunner.run(agent_with(server), message)
        seen.extend(item.custom_data for item in result.new_items if isinstance(item, ToolCallOutputItem))
        return "ok"

    await asked(run).run()
    assert seen == [{"sum": 3}]


async def test_names_with_the_server_in_them(shop: Shop) -> None:
    config: Any = {"include_server_in_tool_names": True, "convert_schemas_to_strict": True}
    model = calling(ToolCall("mcp_shop__add", {"a": 1, "b": 2}))
    journal = asked(running(agent_with(shop.server(), model=model, mcp_config=config)))
    assert json.loads(value_of(await journal.run())) == [text("3")]
    assert "Run mcp_shop__add" in journal.commands()


async def test_a_tool_that_needs_approval_returns_it_and_goes_on(shop: Shop) -> None:
    agent = agent_with(shop.server(require_approval="always"))

    async def run(ctx: restate.Context, message: str) -> Any:
        options = DurableOptions(approvals="return")
        result = await DurableRunner.run(agent, message, options=options)
        assert shop.calls() in ([], ["add"])
        (asked_for,) = result.interruptions
        assert asked_for.name == "add"
        state = result.to_state()
        state.approve(asked_for)
        return (await DurableRunner.run(agent, state, options=options)).final_output

    assert value_of(await asked(run).run()) == "3"
    assert shop.calls() == ["add"]


# ---- failures


async def test_a_tool_that_failed_says_so_to_the_model(shop: Shop) -> None:
    agent = agent_with(shop.server(), model=calling(ToolCall("fail")))
    assert await outputs(agent) == [text("out of stock")]
    assert shop.calls() == ["fail"]


async def test_a_time_out_is_told_to_the_model(shop: Shop) -> None:
    server = shop.server(client_session_timeout_seconds=1, failure_error_function=lambda _, error: str(error))
    agent = agent_with(server, model=calling(ToolCall("order", {"what": "a pear", "seconds": 60})))
    (output,) = await outputs(agent)
    assert "timed out" in output
    assert shop.calls() == ["order a pear"]


@pytest.mark.parametrize("transport", ["stdio"])
async def test_a_server_that_dies_during_a_call_is_not_asked_again_but_is_there_for_the_next(
    own_shop: Shop, transport: Transport
) -> None:
    model = calling(ToolCall("crash"), ToolCall("add", {"a": 1, "b": 2}))
    server = own_shop.server(failure_error_function=lambda _, error: str(error))
    first, second = await outputs(agent_with(server, model=model))
    assert "Connection closed" in first
    assert second == text("3")
    assert own_shop.calls() == ["crash", "add"]
    assert len(own_shop.starts()) == 2


@pytest.mark.parametrize("transport", ["stdio", "sse"])
async def test_a_connection_lost_between_two_calls_is_opened_again_before_the_second(
    own_shop: Shop, transport: Transport
) -> None:
    async def lose(turn: int) -> None:
        if turn == 1 and len(own_shop.starts()) == 1:
            own_shop.kill()
            await eventually(lambda: not alive(own_shop.starts()[0]))
            await eventually(lambda: _transport.is_lost(server))  # and this process has heard of it
            await own_shop.start()

    server = own_shop.server()
    model = calling(ToolCall("order", {"what": "a"}), ToolCall("order", {"what": "b"}))
    model._before_answer = lose
    assert await outputs(agent_with(server, model=model)) == [text("ordered a"), text("ordered b")]
    assert own_shop.calls() == ["order a", "order b"]
    assert len(own_shop.starts()) == 2


async def test_a_replay_that_needs_no_call_needs_no_server(own_shop: Shop) -> None:
    async def close_down(turn: int) -> None:
        if turn == 1:
            own_shop.kill()

    def handler_of_a_new_process() -> Any:
        model = adding()
        model._before_answer = close_down
        return running(agent_with(own_shop.server(), model=model))

    journal = asked(handler_of_a_new_process())
    assert value_of(await journal.run()) == "3"
    journal.app, last = asked(handler_of_a_new_process()).app, journal.journal.pop()
    assert value_of(await journal.run()) == "3"
    assert journal.journal[-1] == last


UNREACHABLE = [
    ("no such command", lambda: MCPServerStdio({"command": "no-such-command"}, name="shop"), "No such file"),
    ("ends at once", lambda: MCPServerStdio({"command": "false"}, name="shop"), "Connection closed"),
    (
        "nobody listens",
        lambda: MCPServerStreamableHttp({"url": f"http://127.0.0.1:{free_port()}/mcp"}, name="shop"),
        "Could not reach the server",
    ),
]


@pytest.mark.parametrize(("_case", "server", "message"), UNREACHABLE, ids=[case[0] for case in UNREACHABLE])
async def test_a_server_that_cannot_be_reached_ends_the_run(_case: str, server: Any, message: str) -> None:
    soon = RetryPolicy(attempts_max=2, initial_delay_ms=1, retryable=MCP_RETRY.retryable)
    model = ScriptedModel(["never asked"])
    journal = asked(running(agent_with(server(), model=model), options=DurableOptions(mcp_retry=soon)))
    output = await journal.run()
    assert "Failed to connect to MCP server 'shop'" in output.failure.message
    assert message in output.failure.message
    tries = journal.commands().count("Run mcp list_tools: shop")
    assert tries == (2 if _case == "nobody listens" else 1), "only what may pass is tried again"
    assert model.calls == []


# ---- servers of the user's own


class Pantry(MCPServer):
    """A server without a process. It counts, and it insists on being connected."""

    def __init__(self) -> None:
        super().__init__()
        self.connected = False
        self.events: list[str] = []

    @property
    def name(self) -> str:
        return "pantry"

    async def connect(self) -> None:
        assert not self.connected
        await anyio.sleep(0.001)
        self.connected = True
        self.events.append("connect")

    async def cleanup(self) -> None:
        await anyio.sleep(0.001)
        self.connected = False
        self.events.append("cleanup")

    async def __aenter__(self) -> Pantry:
        await self.connect()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.cleanup()

    async def list_tools(self, run_context: Any = None, agent: Any = None) -> list[Any]:
        assert self.connected
        self.events.append("list")
        return [Tool(name="take", input_schema={"type": "object", "properties": {}})]

    async def call_tool(self, tool_name: str, arguments: dict[str, Any] | None) -> CallToolResult:
        assert self.connected
        await anyio.sleep(0.001)
        self.events.append(tool_name)
        return CallToolResult(content=[TextContent(type="text", text="bread")])

    async def list_prompts(self) -> Any:
        raise NotImplementedError

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("way", ["nobody", "around the run", "in a durable handler"])
async def test_a_server_of_the_users_own(way: str) -> None:
    servers: list[Pantry] = []

    def pantry() -> Pantry:
        servers.append(Pantry())
        return servers[-1]

    async def ask(server: Pantry, message: str) -> Any:
        agent = agent_with(server, model=calling(ToolCall("take")))
        return (await DurableRunner.run(agent, message)).final_output

    async def connecting(ctx: restate.Context, message: str) -> Any:
        async with pantry() as server:
            return await ask(server, message)

    async def not_connecting(ctx: restate.Context, message: str) -> Any:
        return await ask(pantry(), message)

    handler = {
        "nobody": not_connecting,
        "around the run": connecting,
        "in a durable handler": durable(connecting),
    }
    journal = asked(handler[way])
    assert json.loads(value_of(await journal.run())) == [text("bread")]
    assert "Run mcp list_tools: pantry" in journal.commands()
    events = [event for server in servers for event in server.events]
    assert [event for event in events if event not in ("connect", "cleanup")] == ["list", "take", "list"]
    if way != "nobody":
        await eventually(lambda: not any(server.connected for server in servers))


async def eventually(holds: Callable[[], bool]) -> None:
    """Connections are closed by tasks of their own."""
    with anyio.fail_after(10):
        while not holds():  # noqa: ASYNC110 - of another process
            await anyio.sleep(0.01)


# ---- connections


async def test_invocations_at_the_same_time_share_a_connection(own_shop: Shop) -> None:
    server = own_shop.server()
    journals = [asked(running(agent_with(server)), suspend_always=False) for _ in range(5)]
    answers = await asyncio.gather(*(journal.run() for journal in journals))
    assert [value_of(answer) for answer in answers] == ["3"] * 5
    assert own_shop.calls() == ["add"] * 5


@pytest.mark.parametrize("transport", ["stdio"])
async def test_the_connection_of_a_durable_handler_is_closed_with_its_attempt(
    own_shop: Shop, transport: Transport
) -> None:
    @durable
    async def run(ctx: restate.Context, message: str) -> Any:
        async with own_shop.server() as server:
            await server.list_tools()
            await ctx.sleep(timedelta(days=3))  # suspended here
            return "awake"

    journal = asked(run)
    assert await journal.attempt() is None
    await eventually(lambda: own_shop.starts() != [] and not alive(own_shop.starts()[-1]))


async def test_a_server_object_belongs_to_one_event_loop(shop: Shop) -> None:
    agent = agent_with(shop.server())
    assert value_of(await asked(running(agent)).run()) == "3"
    output = await asyncio.to_thread(lambda: asyncio.run(asked(running(agent)).run()))
    assert "MCP server 'shop' is connected on another event loop" in output.failure.message


async def test_an_unused_connection_is_closed_after_a_while(
    own_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_connections, "KEPT_OPEN_S", 0.05)
    server: Any = own_shop.server()

    async def is_open(turn: int) -> None:
        assert server.session is not None

    model = adding()
    model._before_answer = is_open
    await asked(running(agent_with(server, model=model)), suspend_always=False).run()
    await eventually(lambda: server.session is None)
    assert value_of(await asked(running(agent_with(server))).run()) == "3"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
