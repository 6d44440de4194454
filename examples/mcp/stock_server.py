"""An MCP server over stdio, with what is in store. It needs version 2 of the `mcp` package."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("stock", log_level="ERROR")
pieces_of = {"lamp": 5, "chair": 2}


@server.tool()
def count(item: str) -> str:
    """How many pieces there are."""
    return f"{pieces_of.get(item, 0)} of {item}"


@server.tool()
def take(item: str, pieces: int) -> str:
    """Take pieces out of the store."""
    if pieces > pieces_of.get(item, 0):
        raise ValueError(f"there are not {pieces} of {item}")
    pieces_of[item] -= pieces
    return f"took {pieces}, {pieces_of[item]} left"


if __name__ == "__main__":
    server.run("stdio")
