"""A real MCP server for tests: `python mcp_server.py stdio|sse|streamable-http [port]`.

It appends a line to the file that MCP_CALLS names for each call: `start <pid>`, `add`, `order apples`. So a
test counts what really happened, whatever a journal says of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.types import (
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

CALLS_ENV = "MCP_CALLS"

server = MCPServer("shop", log_level="CRITICAL")


def record(what: str) -> None:
    with open(os.environ[CALLS_ENV], "a") as calls:
        calls.write(what + "\n")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    record("add")
    return a + b


@server.tool()
async def order(what: str, seconds: float = 0) -> str:
    """Order something; the effect comes first, the answer later."""
    record(f"order {what}")
    await asyncio.sleep(seconds)
    return f"ordered {what}"


@server.tool()
def fail() -> CallToolResult:
    """Say that it failed, as a tool does."""
    record("fail")
    return CallToolResult(content=[TextContent(type="text", text="out of stock")], is_error=True)


@server.tool()
def crash() -> str:
    """Take the server down in the middle of the call."""
    record("crash")
    os._exit(1)


@server.tool()
def meta(ctx: Context) -> str:
    """Tell what came as `_meta`."""
    sent: Any = ctx.request_context.meta or {}
    return str(sent.get("tenant") if isinstance(sent, dict) else getattr(sent, "tenant", None))


@server.tool()
def everything() -> CallToolResult:
    """One of each kind of content."""
    record("everything")
    page = TextResourceContents(uri="shop://page", text="a page", mime_type="text/plain")
    return CallToolResult(
        content=[
            TextContent(type="text", text="words"),
            ImageContent(type="image", data="aW1hZ2U=", mime_type="image/png"),
            AudioContent(type="audio", data="c291bmQ=", mime_type="audio/wav"),
            EmbeddedResource(type="resource", resource=page),
        ],
        structured_content={"price": 3, "nothing": None},
    )


@server.tool()
def grow() -> str:
    """Offer one more tool from now on."""
    record("grow")
    server.add_tool(lambda: "new", name="novelty", description="Was not there before.")
    return "grown"


@server.prompt()
def greet(name: str) -> str:
    """A greeting."""
    record("greet")
    return f"Say hello to {name}."


@server.resource("shop://catalogue")
def catalogue() -> str:
    """All that is for sale."""
    record("catalogue")
    return "apples, pears"


@server.resource("shop://price/{what}")
def price(what: str) -> str:
    return f"{what}: 3"


if __name__ == "__main__":
    record(f"start {os.getpid()}")
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run(sys.argv[1], port=int(sys.argv[2]))  # type: ignore[call-overload]
