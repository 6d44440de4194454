"""The example of an MCP server, with a replay at every await."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from perdure.testing import harness

AGENT = Path(__file__).parents[2] / "examples" / "mcp" / "agent.py"


@pytest.mark.anyio
async def test_the_storekeeper_takes_what_was_ordered_out_of_the_store_once() -> None:
    async with harness(runpy.run_path(str(AGENT))["app"], always_replay=True) as h:
        assert await h.call("Store/order", "Three lamps, please.") == "5 of lamp; took 3, 2 left"
