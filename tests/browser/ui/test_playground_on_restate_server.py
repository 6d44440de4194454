"""The playground, chat and SQL in front of the real restate-server, which has no streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import playground_desk
import pytest
from chromium import Chromium, Tab
from restate_server import RestateServer
from service_endpoint import ServiceEndpoint
from streaming_engine import StreamingEngine

from perdure.engine.http_server import HttpServer, bind
from perdure.inspection.admin_api import AdminApi
from perdure.ui.app import mounted

pytestmark = [pytest.mark.restate, pytest.mark.timeout(90)]


@pytest.fixture(scope="module")
async def ui(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    server = RestateServer(tmp_path_factory.mktemp("restate"))
    endpoint = ServiceEndpoint(str(playground_desk.__file__), tmp_path_factory.mktemp("endpoint"))
    try:
        await asyncio.gather(server.start(), endpoint.start())
        await server.register(endpoint.url)
        async with (
            AdminApi(server.admin_url) as api,
            HttpServer(mounted(api, is_loopback=True), bind("127.0.0.1:0", "--test")) as shown,
        ):
            yield f"{shown.url}/ui"
    finally:
        endpoint.kill()
        server.kill()


async def test_a_call_has_its_output_and_says_what_is_missing(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/playground/Orders/place")
    await tab.type("Ada", into='#call [name="text:/customer"]')
    await tab.click("#do-call")
    await tab.wait_for_text('"placed"', "#result")
    await tab.wait_for_text("perdure gateway", "#result [data-missing]")
    output = json.loads(await tab.js("document.querySelector('#result pre').innerText"))
    assert output["placed"]["customer"] == "Ada"
    assert "accept: text/event-stream" not in await tab.js("document.querySelector('#curl').innerText")
    await tab.goto(f"{ui}/playground/Orders/refuse")
    await tab.type("out of lamps", into="#call textarea")
    await tab.click("#do-call")
    await tab.wait_for_text("Failed (422): out of lamps", "#result")


async def test_one_can_chat(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/chat/Companion/say?key=ada")
    for number, text in enumerate(("My name is Ada.", "What is my name?"), start=1):
        await tab.type(text, into="#message")
        await tab.press("Enter")
        await tab.wait_for_text(f"it is the {number}. thing", "#turns")
    await tab.goto(await tab.js("location.href"))
    await tab.wait_for_text("What is my name?", "#turns")
    await tab.wait_for_text("it is the 2. thing", "#turns")


async def test_sql(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/sql?query=SELECT%20count(*)%20AS%20n%20FROM%20sys_deployment")
    await tab.wait_for_text("1 row")
    assert await tab.js("document.querySelectorAll('[data-table]').length") > 5


async def test_with_a_gateway_in_front_runs_are_followed(browser: Chromium, tmp_path: Path) -> None:
    engine = StreamingEngine("restate", str(playground_desk.__file__), tmp_path)
    # To whom the server sends its clients: the UI asks the admin API where that is.
    engine.engine.process.env["RESTATE_INGRESS__ADVERTISED_ADDRESS"] = engine.url
    try:
        await engine.start()
        async with (
            AdminApi(engine.admin_url) as api,
            HttpServer(mounted(api, is_loopback=True), bind("127.0.0.1:0", "--test")) as shown,
            browser.tab(f"{shown.url}/ui/playground/Guide/ask") as tab,
        ):
            await tab.type("Any ships?", into="#call textarea")
            await tab.click("#do-call")
            await tab.wait_for_text("count_ships", "#result")
            await tab.wait_for_text(playground_desk.STORY, "#result")
            assert await tab.js("document.querySelector('#result [data-missing]').hidden")
    finally:
        engine.kill()
