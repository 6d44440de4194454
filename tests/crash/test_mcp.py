"""SIGKILL during a call of an MCP tool: what is recorded is not called again, and nothing is left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx2
import pytest
from mcp_shop import SCRIPT, Shop

if TYPE_CHECKING:
    from engines import Engine

AGENT = Path(__file__).with_name("mcp_agent.py")


@pytest.mark.anyio
async def test_a_process_killed_during_a_tool_call_connects_again_and_repeats_no_recorded_call(
    run_engine: Callable[..., AbstractAsyncContextManager[Engine]], tmp_path: Path
) -> None:
    shop = Shop("stdio", tmp_path)
    async with (
        run_engine(str(AGENT), MCP_SERVER=str(SCRIPT), MCP_CALLS=str(shop.log)) as engine,
        httpx2.AsyncClient(timeout=60) as client,
    ):
        sent = await client.post(f"{engine.ingress_url}/Shop/buy/send", json="a lamp, a chair, a table")
        with anyio.fail_after(60):
            while "order a chair" not in shop.calls():  # noqa: ASYNC110 - of another process
                await anyio.sleep(0.02)
        await engine.restart()
        invocation = sent.json()["invocationId"]
        answer = await client.get(f"{engine.ingress_url}/restate/invocation/{invocation}/attach")
        assert answer.status_code == 200, answer.text
        assert json.loads(answer.json()) == ["ordered a lamp", "ordered a chair", "ordered a table"]
        first, last = shop.starts()
        assert not _alive(first), "the server of the killed process saw the end of its input"
    assert shop.calls() == ["order a lamp", "order a chair", "order a chair", "order a table"]
    with anyio.fail_after(20):
        while _alive(last):  # noqa: ASYNC110 - another process
            await anyio.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
