"""A query of a person that takes long: the pages do not wait for it, and it ends when the person leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from perdure.engine.runtime.options import EngineOptions
from perdure.engine.server import EngineServer

pytestmark = pytest.mark.anyio

ENDLESS = "SELECT COUNT(*) FROM generate_series(1, 10000000) a CROSS JOIN generate_series(1, 10000000) b"


@pytest.fixture
async def ui(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    options = EngineOptions(tmp_path, ingress="127.0.0.1:0", admin="127.0.0.1:0")
    async with (
        EngineServer(options) as server,
        httpx2.AsyncClient(base_url=f"{server.admin_url}/ui", timeout=60) as client,
    ):
        yield client


async def test_pages_answer_while_it_runs_and_the_next_query_when_its_asker_has_left(
    ui: httpx2.AsyncClient,
) -> None:
    await ui.get("/sql", params={"query": "SELECT 1"})  # a query process takes a second to start
    heavy = [asyncio.create_task(ui.get("/sql", params={"query": ENDLESS})) for _ in range(2)]
    async with asyncio.timeout(15):
        for path in ("/state", "/state/Counter", "/state/Counter/object?key=a", "/activity"):
            assert (await ui.get(path)).status_code == 200
    assert not any(task.done() for task in heavy)
    for task in heavy:
        task.cancel()
    async with asyncio.timeout(15):
        assert "1 row" in (await ui.get("/sql", params={"query": "SELECT 1"})).text
