"""`perdure ui` in front of a real restate-server: the same pages, in a process of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from child_process import PERDURE, ChildProcess
from chromium import Chromium, Screenshot, Tab
from engines import RestateServerWithEndpoint
from free_port import free_port

pytestmark = pytest.mark.restate

DESK = str(Path(__file__).parents[2] / "support" / "travel_desk.py")


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RestateServerWithEndpoint]:
    server = RestateServerWithEndpoint(DESK, tmp_path_factory.mktemp("restate"))
    await server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
async def ui(
    server: RestateServerWithEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    address = f"127.0.0.1:{free_port()}"
    process = ChildProcess(
        [PERDURE, "ui", "--admin", server.admin_url, "--bind", address],
        log_path=tmp_path_factory.mktemp("perdure-ui") / "perdure-ui.log",
    )
    process.start()
    await process.wait_for_http(f"http://{address}/ui/static/style.css")
    assert f"web UI at http://{address}/ui/ for the engine at {server.admin_url}" in process.log_tail()
    yield f"http://{address}/ui"
    process.kill()


async def test_it_shows_what_the_server_runs(
    tab: Tab, ui: str, server: RestateServerWithEndpoint, screenshot: Screenshot
) -> None:
    async with httpx2.AsyncClient(base_url=server.ingress_url, timeout=30) as ingress:
        for path, body in (
            ("/Desk/ask", "three days of Budapest"),
            ("/Desk/refuse", "sold out"),
            ("/Counter/ada/add", 3),
            ("/Desk/charge/send", "412 euros"),
            ("/Flaky/fail/send", "the shop's API answered 503"),
            ("/Desk/sleep/send", 600),
        ):
            await ingress.post(path, json=body)
    await tab.wait_for_text("restate-server", "#engine-state")
    await tab.wait_for_text("paused", ".attention")
    await tab.wait_for_text("pay", ".attention")
    await tab.wait_for_text("Booking", "#activity")
    await screenshot(tab, "restate-overview")
    await tab.goto(f"{ui}/invocations?service=Desk")
    await tab.wait_for("document.querySelectorAll('tbody tr').length === 4")
    await screenshot(tab, "restate-invocations")
    await tab.goto(f"{ui}/invocations?status=failed&q=refuse")
    await tab.wait_for_text("sold out", "tbody")
    await tab.goto(f"{ui}/services/Desk")
    await tab.wait_for_text("Book a trip", "#handler-ask")
    await tab.goto(f"{ui}/deployments")
    await tab.wait_for_text("restate-sdk-python", "tbody")


async def test_pages_asked_for_while_the_server_is_away_come_when_it_is_back(
    browser: Chromium, ui: str, server: RestateServerWithEndpoint
) -> None:
    server.server.kill()
    async with browser.tab(f"{ui}/services") as tab:
        await tab.wait_for_text("cannot reach the engine's admin API", "main")
        await server.server.start()
        await tab.wait_for("document.querySelector('tbody')?.innerText.includes('Desk')", timeout_s=20)
