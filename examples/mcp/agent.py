"""A storekeeper with the tools of an MCP server. Each request to the server is one step of its journal.

perdure up examples/mcp/agent.py
curl localhost:8080/Store/order --json '"Three lamps, please."'
perdure invocations list
"""

import sys
from pathlib import Path

import restate
from agents import Agent
from agents.mcp import MCPServerStdio

from perdure import DurableRunner
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

# Nobody connects it: the first request does, in any process that has one to make.
stock = MCPServerStdio(
    {"command": sys.executable, "args": [str(Path(__file__).with_name("stock_server.py"))]}, name="stock"
)


def report(conversation: Input) -> str:
    outputs = [item["output"] for item in conversation if "output" in item]  # type: ignore[union-attr, index, typeddict-item]
    return "; ".join(str(part["text"]) for output in outputs for part in output)  # type: ignore[index, union-attr]


storekeeper = Agent(
    name="Storekeeper",
    instructions="Look whether there is enough before you take something out.",
    mcp_servers=[stock],
    # It plays a model, so that the example needs no key. Without this line the SDK asks a real one.
    model=ScriptedModel(
        [ToolCall("count", {"item": "lamp"}), ToolCall("take", {"item": "lamp", "pieces": 3}), report]
    ),
)
service = restate.Service("Store")


@service.handler()
async def order(ctx: restate.Context, message: str) -> str:
    """Take one order."""
    return str((await DurableRunner.run(storekeeper, message)).final_output)


app = restate.app([service])
