"""MCP servers: the methods of every class that implements `agents.mcp.MCPServer`, the user's too."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from agents import FunctionTool, RunContextWrapper
from agents.mcp import MCPServer, MCPServerManager
from anyio import BrokenResourceError, ClosedResourceError

from perdure.openai import mcp, mcp_connections
from perdure.openai.compat.point import Point, durable_or

_INVOKE_TOOL = Point("agents.mcp:MCPUtil", "invoke_mcp_tool", "server", "tool", "meta", "tool_display_name")
_RESOLVE_META = Point("agents.mcp:MCPUtil", "_resolve_meta", "server", "context", "tool_name", "arguments")
_MERGE_META = Point("agents.mcp:MCPUtil", "_merge_mcp_meta", "resolved_meta", "explicit_meta")
_RUN_CONNECT = Point("agents.mcp:MCPServerManager", "_run_connect", "server")
_CLEANUP_SERVER = Point("agents.mcp:MCPServerManager", "_cleanup_server", "server")
_LOG_NAME = Point("agents.mcp._logging", "get_mcp_server_log_name", "name")

_READS = ("list_prompts", "get_prompt", "list_resources", "list_resource_templates", "read_resource")


class _Transport:
    """What the SDK and the `mcp` package know of a connection."""

    # In mcp 1 a connection is bound to the task that opened it, which may be the user's.
    any_task_may_close = int(importlib.metadata.version("mcp").partition(".")[0]) >= 2

    def is_lost(self, server: MCPServer, error: Exception | None = None) -> bool:
        dispatcher = getattr(getattr(server, "session", None), "_dispatcher", None)
        if (closed := getattr(dispatcher, "_closed", None)) is not None:
            return bool(closed)
        lost = isinstance(error, BrokenResourceError | ClosedResourceError)
        return lost or (error is not None and "Connection closed" in str(error))

    def name(self, server: MCPServer) -> str:
        _, log_name = _LOG_NAME.find()
        return str(log_name(server.name))


_transport = _Transport()


def _connection(server: MCPServer) -> mcp_connections.Connection:
    return mcp_connections.of(server, _transport)


def is_mcp_tool(tool: FunctionTool) -> bool:
    """Whether a tool's call is a request to an MCP server, and so has a step of its own."""
    return tool._mcp_tool_binding is not None


# ---- the methods of a server


async def _list_tools(
    original: Any, server: MCPServer, run_context: Any = None, agent: Any = None, **options: Any
) -> Any:
    return await mcp.list_tools(
        _connection(server),
        server,
        _transport.name(server),
        getattr(agent, "name", ""),
        lambda: original(server, run_context, agent, **options),
    )


async def _call_tool(original: Any, server: MCPServer, tool_name: str, *args: Any, **options: Any) -> Any:
    call = functools.partial(original, server, tool_name, *args, **options)
    return await mcp.call_tool(_connection(server), tool_name, call)


async def _connect(_original: Any, server: MCPServer) -> None:
    mcp.connect(_connection(server))


async def _cleanup(_original: Any, server: MCPServer) -> None:
    mcp.cleanup(_connection(server))


def _read(method: str) -> Callable[..., Awaitable[Any]]:
    async def read(original: Any, server: MCPServer, *args: Any, **options: Any) -> Any:
        call = functools.partial(original, server, *args, **options)
        return await mcp.read(_connection(server), method, _transport.name(server), call)

    return read


_METHODS: dict[str, Callable[..., Awaitable[Any]]] = {
    "list_tools": _list_tools,
    "call_tool": _call_tool,
    "connect": _connect,
    "cleanup": _cleanup,
    **{method: _read(method) for method in _READS},
}


def _noting(original: Callable[..., Any], *, connected: bool) -> Callable[..., Any]:
    """The method itself, which leaves a note that the server is connected, or is not any more."""

    @functools.wraps(original)
    async def noted(server: MCPServer) -> Any:
        if not connected:
            mcp_connections.note(server, connected=False)
        result = await original(server)
        if connected:
            mcp_connections.note(server, connected=True)
        return result

    return noted


def _make_durable(cls: type[MCPServer]) -> None:
    for name, replacement in _METHODS.items():
        method = vars(cls).get(name)
        if not inspect.isfunction(method) or hasattr(method, "__perdure__"):
            continue
        if name in ("connect", "cleanup"):
            method = _noting(method, connected=name == "connect")
        setattr(cls, name, durable_or(method, replacement))


def make_servers_durable() -> None:
    """Replace the methods of all classes of servers, and of those to come."""
    if "__init_subclass__" in vars(MCPServer):
        return

    def init_subclass(cls: type[MCPServer], /, **options: Any) -> None:
        super(MCPServer, cls).__init_subclass__(**options)
        _make_durable(cls)

    MCPServer.__init_subclass__ = classmethod(init_subclass)  # type: ignore[assignment]
    classes: list[type[MCPServer]] = MCPServer.__subclasses__()
    for cls in classes:
        _make_durable(cls)
        classes.extend(cls.__subclasses__())


# ---- an agent's call of a tool


class _ServerOfCall:
    """A server as `invoke_mcp_tool` sees it during one call.

    Its call is named as the tool is named to the model, and `_meta` is made inside of the step: it may hold
    a token that is made for this call, and belongs in no journal.
    """

    tool_meta_resolver = None

    def __init__(self, server: MCPServer, name: str, context: RunContextWrapper[Any]) -> None:
        self._server, self._name, self._context = server, name, context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    async def call_tool(self, tool_name: str, arguments: Any, meta: dict[str, Any] | None = None) -> Any:
        server = self._server

        async def call() -> Any:
            resolved = await _RESOLVE_META.find()[1](server, self._context, tool_name, arguments)
            merged = _MERGE_META.find()[1](resolved, meta)
            if merged is None:  # servers of the user's own may not know the parameter
                return await server.call_tool(tool_name, arguments)
            return await server.call_tool(tool_name, arguments, meta=merged)

        return await mcp.call_tool(_connection(server), self._name, call)


async def _invoke_tool(
    original: Any,
    server: MCPServer,
    tool: Any,
    context: RunContextWrapper[Any],
    input_json: str,
    *,
    tool_display_name: str | None = None,
    **options: Any,
) -> Any:
    name = tool_display_name or tool.name
    seen = _ServerOfCall(server, name, context)
    return await original(seen, tool, context, input_json, tool_display_name=name, **options)


# ---- the manager, whose time-outs would be durable sleeps


async def _run_connect(_original: Any, _manager: MCPServerManager, server: MCPServer) -> None:
    mcp.connect(_connection(server))


async def _cleanup_server(_original: Any, manager: MCPServerManager, server: MCPServer) -> None:
    mcp.cleanup(_connection(server))
    manager._connected_servers.discard(server)


RELIED_ON = (_RESOLVE_META, _MERGE_META, _LOG_NAME)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {
    _INVOKE_TOOL: _invoke_tool,
    _RUN_CONNECT: _run_connect,
    _CLEANUP_SERVER: _cleanup_server,
}
