"""Approvals and state of the real restate-server, shown and changed by the same pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import clerks
import httpx2
import keepers
import pytest
from chromium import Tab
from restate_server import RestateServer
from service_endpoint import ServiceEndpoint

from perdure.engine.http_server import HttpServer, bind
from perdure.inspection import approvals, state
from perdure.inspection.admin_api import AdminApi
from perdure.ui.app import mounted

pytestmark = [pytest.mark.restate, pytest.mark.timeout(90)]


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RestateServer]:
    """With the handlers of `clerks` and `keepers`, each in a process of its own."""
    server = RestateServer(tmp_path_factory.mktemp("restate"))
    endpoints = [
        ServiceEndpoint(str(module.__file__), tmp_path_factory.mktemp("endpoint"))
        for module in (clerks, keepers)
    ]
    try:
        await asyncio.gather(*(each.start() for each in (server, *endpoints)))
        for endpoint in endpoints:
            await server.register(endpoint.url)
        yield server
    finally:
        for each in (*endpoints, server):
            each.kill()


@pytest.fixture(scope="module")
async def api(server: RestateServer) -> AsyncIterator[AdminApi]:
    async with AdminApi(server.admin_url) as api:
        yield api


@pytest.fixture(scope="module")
async def ingress(server: RestateServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=server.ingress_url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
async def ui(api: AdminApi) -> AsyncIterator[str]:
    async with HttpServer(mounted(api, is_loopback=True), bind("127.0.0.1:0", "--test")) as server:
        yield f"{server.url}/ui"


async def test_a_call_is_approved(tab: Tab, ui: str, api: AdminApi, ingress: httpx2.AsyncClient) -> None:
    sent = (await ingress.post("/Refunds/handle/send", json=180.5)).json()["invocationId"]
    await tab.goto(f"{ui}/approvals")
    await tab.wait_for_text('"euros": 180.5', ".approval")
    await tab.wait_for_text("1", "nav .count")
    await tab.click(".approval button[value=approve]", leads_on=True)
    await tab.wait_for_text("Approved: refund of Refunds/handle")
    result = (await ingress.get(f"/restate/invocation/{sent}/attach")).json()
    assert result == "180.5 euros for order 23 are on their way"
    assert await approvals.pending(api) == []


async def test_state_is_shown_and_edited(
    tab: Tab, ui: str, api: AdminApi, ingress: httpx2.AsyncClient
) -> None:
    await ingress.post("/Shelf/books/put", json={"title": "Momo", "count": 3})
    await tab.goto(f"{ui}/state")
    await tab.click("[id=service-Shelf] a", leads_on=True)
    await tab.click("tbody a", leads_on=True)
    await tab.click("[id=entry-title] a", leads_on=True)
    await tab.type('"Jim Knopf"', into="#text")
    await tab.click("form .primary", leads_on=True)
    await tab.wait_for_text("The state is written")
    assert (await state.state(api, "Shelf", "books")).entries == {"title": b'"Jim Knopf"', "count": b"3"}

    holder = (await ingress.post("/Shelf/books/hold/send")).json()["invocationId"]
    await tab.wait_for_text("in use", "#use")
    await tab.click("[id=entry-title] button")
    await tab.click("#confirm-yes", leads_on=True)
    await tab.wait_for_text("is in use by invocation", "#main")
    await api.change(holder, "kill")


async def test_a_session_is_a_conversation(tab: Tab, ui: str, ingress: httpx2.AsyncClient) -> None:
    await ingress.post("/Chat/ada/say", json="How is the weather in Rome?")
    await tab.goto(f"{ui}/state/Chat/object?{urlencode({'key': 'ada'})}")
    await tab.wait_for_text("You will need no umbrella.", ".bubble.theirs")
