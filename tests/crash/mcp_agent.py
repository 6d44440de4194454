"""The agent that is killed during a call of an MCP tool: it orders one thing after another."""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from typing import Any

import restate
from agents import Agent
from agents.mcp import MCPServerStdio

from perdure import DurableRunner
from perdure.testing.scripted_model import ScriptedModel, ToolCall

shop = MCPServerStdio(
    {
        "command": sys.executable,
        "args": [os.environ["MCP_SERVER"], "stdio"],
        "env": {"MCP_CALLS": os.environ["MCP_CALLS"]},
    },
    name="shop",
    client_session_timeout_seconds=60,
)


def answer(items: Any) -> str:
    return json.dumps([item["output"][0]["text"] for item in items if "output" in item])


buyer = Agent(
    name="Buyer",
    mcp_servers=[shop],
    model=ScriptedModel(
        [
            ToolCall("order", {"what": "a lamp"}),
            ToolCall("order", {"what": "a chair", "seconds": 3}),
            ToolCall("order", {"what": "a table"}),
            answer,
        ]
    ),
)
service = restate.Service(
    "Shop",
    invocation_retry_policy=restate.InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=50), max_interval=timedelta(milliseconds=200)
    ),
)


@service.handler()
async def buy(ctx: restate.Context, message: str) -> str:
    return str((await DurableRunner.run(buyer, message)).final_output)


app = restate.app([service])
