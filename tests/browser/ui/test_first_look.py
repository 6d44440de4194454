"""An engine that nobody has given anything to run: its pages say what to type."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from chromium import Screenshot, Tab

from perdure.engine.runtime.options import EngineOptions
from perdure.engine.server import EngineServer


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EngineServer]:
    options = EngineOptions(
        tmp_path_factory.mktemp("ui") / "perdure-data", ingress="127.0.0.1:0", admin="127.0.0.1:0"
    )
    async with EngineServer(options) as server:
        yield server


async def test_it_says_how_to_deploy(tab: Tab, ui: str, engine: EngineServer, screenshot: Screenshot) -> None:
    await tab.wait_for_text("Nothing is deployed yet")
    lines = await tab.js("[...document.querySelectorAll('.empty code')].map((line) => line.innerText)")
    assert lines[0] == "perdure up agent.py"
    assert lines[1].startswith(f"curl {engine.admin_url}/deployments --json ")
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{engine.admin_url}/deployments", json={"uri": "http://127.0.0.1:1"})
    assert "http://127.0.0.1:1" in answer.json()["message"], "the line asks the engine to look there"
    await screenshot(tab, "nothing-deployed")
    for page in ("invocations", "services", "deployments"):
        await tab.goto(f"{ui}/{page}")
        await tab.wait_for_text("perdure up agent.py", ".empty")
        await screenshot(tab, f"nothing-deployed-{page}")
