"""One invocation of the real restate-server, shown and steered by the same page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2
import press_room
import pytest
from chromium import Screenshot, Tab
from restate_server import RestateServer
from service_endpoint import ServiceEndpoint

from perdure.engine.http_server import HttpServer, bind
from perdure.inspection.admin_api import AdminApi
from perdure.ui.app import mounted

pytestmark = [pytest.mark.restate, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RestateServer]:
    server = RestateServer(tmp_path_factory.mktemp("restate"))
    endpoint = ServiceEndpoint(str(press_room.__file__), tmp_path_factory.mktemp("endpoint"))
    try:
        await asyncio.gather(server.start(), endpoint.start())
        await server.register(endpoint.url)
        yield server
    finally:
        endpoint.kill()
        server.kill()


@pytest.fixture(scope="module")
async def ingress(server: RestateServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=server.ingress_url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
async def ui(server: RestateServer) -> AsyncIterator[str]:
    async with (
        AdminApi(server.admin_url) as api,
        HttpServer(mounted(api, is_loopback=True), bind("127.0.0.1:0", "--test")) as pages,
    ):
        yield f"{pages.url}/ui"


async def sent(ingress: httpx2.AsyncClient, path: str, body: object) -> str:
    return str((await ingress.post(f"{path}/send", json=body)).json()["invocationId"])


async def pressed(tab: Tab, text: str) -> None:
    """A button of the heading, and Yes."""
    await tab.wait_for_text(text, "#invocation-actions")
    await tab.js(
        f"""[...document.querySelectorAll('#invocation-actions button')]
        .find(button => button.innerText.trim() === {text!r}).click()"""
    )
    await tab.wait_for("document.querySelector('#confirm[open]') !== null")
    await tab.click("#confirm-yes", leads_on=True)


async def test_a_run_of_agents_is_read_as_a_tree(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    run = await sent(ingress, "/Press/write", "tide")
    await ingress.get(f"/restate/invocation/{run}/attach")
    await tab.goto(f"{ui}/invocations/{run}")
    await tab.wait_for_text("succeeded", "#invocation-status")
    await tab.wait_for_text("Editor hands over to Publisher", ".steps")
    await tab.wait_for_text("Twice a day", "#in-out")
    depths = await tab.js("[...document.querySelectorAll('.step')].map(row => row.dataset.depth).join('')")
    assert "0123" in "".join(sorted(set(depths)))
    await tab.click(".step.tool summary")
    await tab.wait_for_text("Arguments of search_archive", ".step.tool")
    await screenshot(tab, "invocation-restate-server")


async def test_pause_resume_kill(tab: Tab, ui: str, ingress: httpx2.AsyncClient) -> None:
    run = await sent(ingress, "/Press/nap", 3600)
    await tab.goto(f"{ui}/invocations/{run}")
    await tab.wait_for_text("Pause", "#invocation-actions")
    await pressed(tab, "Pause")
    await tab.wait_for_text("paused", "#invocation-status")
    await pressed(tab, "Resume")
    await tab.wait_for("!document.getElementById('invocation-status').innerText.includes('paused')")
    await pressed(tab, "Kill")
    await tab.wait_for_text("failed", "#invocation-status")


async def test_attempts_that_failed_tell_why(tab: Tab, ui: str, ingress: httpx2.AsyncClient) -> None:
    run = await sent(ingress, "/Stumbling/fall", "a banana skin")
    await tab.goto(f"{ui}/invocations/{run}")
    await tab.wait_for_text("paused", "#invocation-status")
    await tab.wait_for_text("a banana skin", "#failed-attempts")


async def test_restart_as_new(tab: Tab, ui: str, ingress: httpx2.AsyncClient) -> None:
    run = await sent(ingress, "/Press/relay", "again")
    await ingress.get(f"/restate/invocation/{run}/attach")
    await tab.goto(f"{ui}/invocations/{run}")
    await pressed(tab, "Restart as new")
    await tab.wait_for_text(f"restarted {run}", "main > .banner:not([hidden])")
    await tab.wait_for_text("succeeded", "#invocation-status")
    assert await tab.js("location.pathname.split('/').at(-1)") != run
