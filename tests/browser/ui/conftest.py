"""One engine with a running agent and one Chromium for each module of tests.

A module that needs other handlers overrides the fixture `app`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import travel_desk
from axe import faults
from browser import REQUIRED_BY_ENV, WHY_MISSING, find_browser
from chromium import HEIGHTS, Chromium, Screenshot, Tab, Theme, chromium

from perdure.engine.runtime.options import EngineOptions
from perdure.engine.server import EngineServer
from perdure.inspection.admin_api import AdminApi

ANY_FREE_PORT = "127.0.0.1:0"
SCREENSHOTS = Path(__file__).parents[3] / "build" / "screenshots"
THEMES: tuple[Theme, ...] = ("light", "dark")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent != Path(__file__).parent:
            continue
        item.add_marker(pytest.mark.anyio)
        if find_browser() is None and os.environ.get(REQUIRED_BY_ENV) != "1":
            item.add_marker(pytest.mark.skip(reason=WHY_MISSING))


@pytest.fixture(scope="module")
def app() -> Any:
    """The handlers that the engine runs."""
    return travel_desk.app


@pytest.fixture(scope="module")
async def engine(app: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EngineServer]:
    data_dir = tmp_path_factory.mktemp("ui") / "perdure-data"
    options = EngineOptions(data_dir, ingress=ANY_FREE_PORT, admin=ANY_FREE_PORT)
    async with EngineServer(options) as server:
        await server.serve_app(app, "travel_desk.py:app")
        yield server


@pytest.fixture(scope="module")
def ui(engine: EngineServer) -> str:
    """The UI's address, without a slash at the end."""
    return f"{engine.admin_url}/ui"


@pytest.fixture(scope="module")
async def ingress(engine: EngineServer) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the engine's ingress: `await ingress.post("/Desk/ask", json="hello")`."""
    async with httpx2.AsyncClient(base_url=engine.ingress_url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
async def api(engine: EngineServer) -> AsyncIterator[AdminApi]:
    async with AdminApi(engine.admin_url) as api:
        yield api


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Chromium]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def tab(browser: Chromium, ui: str) -> AsyncIterator[Tab]:
    """A tab at the overview, 1440 px wide. In the end its console is clean and no request left the origin."""
    async with browser.tab(f"{ui}/") as tab:
        yield tab
        origin = ui.removesuffix("/ui")
        assert [url for url in tab.requests if not url.startswith((origin, "data:", "blob:"))] == []
        assert tab.problems == []


@pytest.fixture
def screenshot() -> Screenshot:
    """`await screenshot(tab, "overview")` writes four of build/screenshots/overview-<width>-<theme>.png.

    It checks that the page does not scroll sideways and that axe-core finds no serious fault in it, in the
    light on a screen and in the dark on a phone. It leaves the tab 1440 px wide and light.
    """

    async def take(tab: Tab, name: str) -> None:
        for width in HEIGHTS:
            for theme in THEMES:
                await tab.look(width, theme)
                await tab.picture(SCREENSHOTS / f"{name}-{width}-{theme}.png")
            wide = await tab.js("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} px wide on a screen of {width}"
        assert await faults(tab) == [], f"{name} on a phone, dark"
        await tab.look(1440, "light")
        assert await faults(tab) == [], f"{name} on a screen, light"

    return take
