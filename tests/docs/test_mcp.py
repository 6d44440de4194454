"""The code in the guide to MCP servers runs as it stands, with the server of the example."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

ROOT = Path(__file__).parents[2]


@pytest.mark.anyio
async def test_servers_that_nobody_connects_or_that_a_durable_handler_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT / "examples" / "mcp")
    [source] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/guide/mcp.md").read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {"__name__": "mcp.md"}
    exec(compile(source, "mcp.md", "exec"), names)
    names["storekeeper"].model = ScriptedModel(
        [ToolCall("count", {"item": "lamp"}), lambda items: items[-1]["output"][0]["text"]]
    )
    async with harness(names["app"], always_replay=True) as h:
        assert await h.call("Store/order", "How many lamps?") == "5 of lamp"
        assert await h.call("Store/ask", "How many lamps?") == "5 of lamp"
