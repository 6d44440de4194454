"""The code in the guide to MCP servers runs as it stands, with the server of the example."""

from __future__ import annotations

import pytest
from pages import ROOT, executed, page

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

MCP = page("docs/guide/mcp.md", "agent")


@pytest.mark.anyio
async def test_servers_that_nobody_connects_or_that_a_durable_handler_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT / "examples" / "mcp")
    names = executed(MCP.agent)
    names["storekeeper"].model = ScriptedModel(
        [ToolCall("count", {"item": "lamp"}), lambda items: items[-1]["output"][0]["text"]]
    )
    async with harness(names["app"], always_replay=True) as h:
        assert await h.call("Store/order", "How many lamps?") == "5 of lamp"
        assert await h.call("Store/ask", "How many lamps?") == "5 of lamp"
