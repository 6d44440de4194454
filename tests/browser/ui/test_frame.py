"""What every page has: light and dark, an engine that may go away, text that is copied."""

from __future__ import annotations

from pathlib import Path

from chromium import Chromium, Screenshot, Tab
from embedded_engine import EmbeddedEngine

DESK = str(Path(__file__).parents[2] / "support" / "travel_desk.py")
ROWS = "[...document.querySelectorAll('tbody tr')]"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


async def test_the_switch_turns_the_lights_off_and_the_next_page_knows(tab: Tab, ui: str) -> None:
    light = await tab.js(BACKGROUND)
    await tab.click("[data-theme-switch]")
    dark = await tab.js(BACKGROUND)
    assert dark != light
    await tab.goto(f"{ui}/services")
    assert await tab.js("document.documentElement.dataset.theme") == "dark"
    assert await tab.js(BACKGROUND) == dark
    await tab.look(1440, "dark")
    await tab.click("[data-theme-switch]")
    await tab.goto(f"{ui}/services")
    assert await tab.js(BACKGROUND) == light


async def test_it_follows_the_system_unless_told_otherwise(tab: Tab) -> None:
    light = await tab.js(BACKGROUND)
    await tab.look(1440, "dark")
    assert await tab.js(BACKGROUND) != light


async def test_the_first_tab_stop_leads_past_the_navigation(tab: Tab) -> None:
    await tab.press("Tab")
    assert await tab.js("document.activeElement.innerText") == "Skip to the content"
    await tab.press("Enter")
    assert await tab.js("location.hash") == "#main"


async def test_by_keyboard_alone(tab: Tab, ui: str, screenshot: Screenshot) -> None:
    await tab.press("g")
    await tab.press("s")
    await tab.wait_for("location.pathname.endsWith('/services') && document.readyState === 'complete'")
    focused = f"{ROWS}.findIndex((row) => row.contains(document.activeElement))"
    for key, row in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        await tab.press(key)
        assert await tab.js(focused) == row
    target = await tab.js("document.activeElement.getAttribute('href')")
    await tab.press("?")
    assert await tab.js("document.querySelector('#keys').open")
    await screenshot(tab, "keyboard-shortcuts")
    await tab.press("Escape")
    assert not await tab.js("document.querySelector('#keys').open")
    assert await tab.js(focused) == 1, "the focus is where it was"
    await tab.press("Enter")
    await tab.wait_for(f"location.pathname === {target!r}")


async def test_a_click_copies(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/deployments")
    await tab.js("navigator.clipboard.writeText = async (text) => { globalThis.copied = text }")
    await tab.click("[data-copy^='dp_']")
    assert (await tab.js("copied")).startswith("dp_")
    await tab.wait_for_text("Copied", "#announce")


async def test_every_page_works_without_scripts(browser: Chromium, ui: str) -> None:
    async with browser.tab(f"{ui}/", scripts=False) as tab:
        for path in ("/", "/activity", "/invocations", "/services", "/services/Desk", "/deployments"):
            await tab.goto(f"{ui}{path}")
            assert await tab.js("document.querySelector('h1').innerText")


async def test_the_engine_goes_away_and_comes_back(
    browser: Chromium, tmp_path: Path, screenshot: Screenshot
) -> None:
    engine = EmbeddedEngine(DESK, tmp_path)
    await engine.start()
    try:
        async with browser.tab(f"{engine.admin_url}/ui/services") as tab:
            await tab.wait_for_text("Perdure", "#engine-state")
            engine.kill()
            await tab.wait_for("!document.querySelector('#unreachable').hidden")
            await tab.wait_for_text("The engine is not reachable", "#unreachable")
            await tab.wait_for_text("Desk", "tbody")
            await screenshot(tab, "engine-away")
            await engine.start()
            await tab.wait_for("document.querySelector('#unreachable').hidden", timeout_s=20)
    finally:
        engine.kill()
