"""MCP servers: each request to one is a step, on a connection that belongs to the process.

Tools are listed as often as plain SDK code lists them, once a turn, whatever this process has cached: a
replay must make the same steps in a process that has cached nothing. The server's own cache is used inside
of the step, and a list that equals the run's last one is journaled as null.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from agents.mcp import MCPServer
from mcp import types as wire
from pydantic import TypeAdapter

from perdure.durable import ONCE, DurableContext, RetryPolicy, current, values
from perdure.durable.step import Codec, tries
from perdure.openai.mcp_connections import Connection
from perdure.openai.options import current_options

Call = Callable[[], Awaitable[Any]]
Tools = list[wire.Tool]

# What each request returns. The journal holds the JSON of the MCP wire, a published format, and not the name
# of a class, which may move with the next version of the `mcp` package.
_RESULTS: dict[str, TypeAdapter[Any]] = {
    "list_tools": TypeAdapter(Tools),
    "call_tool": TypeAdapter(wire.CallToolResult),
    "list_prompts": TypeAdapter(wire.ListPromptsResult),
    "get_prompt": TypeAdapter(wire.GetPromptResult),
    "list_resources": TypeAdapter(wire.ListResourcesResult),
    "list_resource_templates": TypeAdapter(wire.ListResourceTemplatesResult),
    "read_resource": TypeAdapter(wire.ReadResourceResult),
}
_WIRE = {"": "mcp"}

_last_lists: weakref.WeakKeyDictionary[DurableContext, dict[tuple[MCPServer, str], Tools]] = (
    weakref.WeakKeyDictionary()
)


async def list_tools(
    connection: Connection, server: MCPServer, name: str, agent_name: str, call: Call
) -> Tools:
    """The server's tools, as its filter shows them to the agent. A step named `mcp list_tools: <server>`."""
    context = _context()
    lists = _last_lists.setdefault(context, {})
    last = lists.get((server, agent_name))

    async def list_or_none() -> Tools | None:
        tools = cast(Tools, await call())
        return None if tools == last else tools

    tools = await read(connection, "list_tools", name, list_or_none)
    if tools is None:
        assert last is not None
        tools = last
    lists[server, agent_name] = tools
    return [tool.model_copy(deep=True) for tool in tools]


async def read(connection: Connection, method: str, name: str, call: Call) -> Any:
    """A request that changes nothing: tried again by `DurableOptions.mcp_retry`.

    name: the server's. The step is named `mcp <method>: <name>`.
    """
    retry = current_options().mcp_retry
    return await _request(connection, method, f"mcp {method}: {name}", call, retry)


async def call_tool(connection: Connection, name: str, call: Call) -> wire.CallToolResult:
    """A tool call: a step named as the tool, made once. If it fails, nobody knows what the server did."""
    return cast(wire.CallToolResult, await _request(connection, "call_tool", name, call, ONCE))


def connect(connection: Connection) -> None:
    """The run's code wants the server. It is connected by the first request that is not in the journal."""
    connection.enter(_context())


def cleanup(connection: Connection) -> None:
    """The run's code does not want it any more."""
    connection.release(_context())


async def _request(connection: Connection, method: str, step: str, call: Call, retry: RetryPolicy) -> Any:
    context = _context()

    async def request() -> Any:
        return await connection.request(context, call, repeatable=method != "call_tool")

    return await tries(context, step, request, (), retry, _codec(method))


def _context() -> DurableContext:
    context = current()
    assert context is not None
    return context


# ---- results


def _codec(method: str) -> Codec[Any]:
    adapter = _RESULTS[method]
    return Codec(partial(_to_json, adapter), partial(_from_json, adapter))


def _to_json(adapter: TypeAdapter[Any], value: Any) -> tuple[values.Json, dict[str, str]]:
    """As it came over the wire; a value of another type, which a server of the user's own may return, as any
    step's value.
    """
    for exclude_unset in (True, False):
        try:
            plain = adapter.dump_python(
                value, mode="json", by_alias=True, exclude_unset=exclude_unset, warnings=False
            )
            if adapter.validate_python(plain) == value:
                return plain, _WIRE
        except Exception:  # not the type of the protocol
            break
    return values.to_json(value)


def _from_json(adapter: TypeAdapter[Any], plain: values.Json, types: dict[str, str]) -> Any:
    return adapter.validate_python(plain) if types == _WIRE else values.from_json(plain, types)
