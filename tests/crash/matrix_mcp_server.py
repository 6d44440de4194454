"""The MCP server of the crash matrix: a tool with an effect, in a process of its own, over stdio."""

from __future__ import annotations

import effect_log
from mcp.server.mcpserver import MCPServer

server = MCPServer("warehouse", log_level="CRITICAL")


@server.tool()
def ship(what: str) -> str:
    """Ship something."""
    return f"ship-{what}={effect_log.ran('effects', f'ship-{what}')}"


if __name__ == "__main__":
    server.run("stdio")
