"""Chat in a real browser: words as they come, tools, approvals in place, reloads, a dead engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import playground_desk
import pytest
from chromium import Chromium, Screenshot, Tab
from embedded_engine import EmbeddedEngine

from perdure.inspection.admin_api import AdminApi

DESK = Path(playground_desk.__file__)
LAST = "#turns .turn:last-child"


@pytest.fixture(scope="module")
def app() -> Any:
    return playground_desk.app


async def say(tab: Tab, text: str) -> None:
    """Type it, press Enter, and wait until it is sent."""
    before = await tab.js("document.querySelectorAll('.turn').length")
    await tab.type(text, into="#message")
    await tab.press("Enter")
    await tab.wait_for(f"document.querySelectorAll('.turn').length > {before}")
    assert await tab.js("document.querySelector('#message').value") == ""


async def at_rest(tab: Tab) -> str:
    """Wait until the last run has ended; what its turn shows."""
    await tab.wait_for(f"document.querySelector('{LAST} [data-activity]')?.hidden ?? true", 20)
    return str(await tab.js(f"document.querySelector('{LAST}').innerText"))


async def test_a_conversation_remembers_and_survives_a_reload(
    tab: Tab, ui: str, screenshot: Screenshot
) -> None:
    await tab.goto(f"{ui}/chat")
    await tab.wait_for_text("Companion/say", "main")
    await screenshot(tab, "chat-index")
    await tab.goto(f"{ui}/chat/Companion/say?key=ada")
    await tab.wait_for_text("Nothing said yet")
    await say(tab, "My name is Ada.")
    await tab.wait_for_text("You said", LAST)
    assert "it is the 1. thing" in await at_rest(tab)
    await say(tab, "What is my name?")
    assert "it is the 2. thing" in await at_rest(tab)
    await tab.goto(await tab.js("location.href"))
    shown = await tab.js("document.querySelector('#turns').innerText")
    assert shown.index("My name is Ada.") < shown.index("the 1. thing") < shown.index("the 2. thing")
    assert "ada" in await tab.js("document.querySelector('.partners').innerText")


async def test_a_tool_that_needs_approval_is_approved_and_refused_in_place(
    tab: Tab, ui: str, screenshot: Screenshot
) -> None:
    await tab.goto(f"{ui}/chat/Companion/say?key=bell")
    await say(tab, "Ring the bell!")
    await tab.wait_for_text("Asks for approval of ring_bell", LAST)
    await tab.wait_for_text("waiting for a human", LAST)
    assert "waits" in await tab.js(f"document.querySelector('{LAST} .part.tool').innerText")
    await screenshot(tab, "chat-approval")
    await tab.goto(await tab.js("location.href"))  # the question is still there
    await tab.wait_for_text("Asks for approval of ring_bell", LAST)
    await tab.click(f'{LAST} [value="approve"]')
    await tab.wait_for_text("Done: rang 3 times.", LAST)
    await at_rest(tab)
    await say(tab, "The bell again!")
    await tab.wait_for_text("Asks for approval of ring_bell", LAST)
    await tab.type("They sleep.", into=f"{LAST} textarea")
    await tab.click(f'{LAST} [value="reject"]')
    await tab.wait_for_text("Done: They sleep.", LAST)
    await tab.wait_for_text("ring_bell was rejected: They sleep.", LAST)
    assert await tab.js(f"document.querySelector('{LAST} [data-decision]')") is None
    await at_rest(tab)
    await tab.js("scrollTo(0, 0)")
    await screenshot(tab, "chat")


async def test_a_service_answers_without_a_memory(tab: Tab, ui: str, api: AdminApi) -> None:
    await tab.goto(f"{ui}/chat/Guide/ask")
    await tab.wait_for_text("it does not remember")
    await say(tab, "Any ships?")
    await tab.wait_for_text("count_ships", LAST)
    assert playground_desk.STORY in await at_rest(tab)
    address = await tab.js("location.href")
    await tab.goto(f"{ui}/chat/Guide/ask")  # another conversation
    await tab.wait_for_text("Nothing said yet")
    await tab.goto(address)
    await tab.wait_for_text(playground_desk.STORY, LAST)
    told = await api.query("SELECT id FROM sys_invocation WHERE target = 'Guide/ask'")
    assert len(told.rows) == 1


async def test_what_strangers_say_harms_nothing(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/chat/Companion/say?key=%3Cb%3Ehostile%2Fkey")
    await say(tab, f"hostile {playground_desk.HOSTILE}")
    shown = await at_rest(tab)
    assert shown.count("<script>document.title=2</script>") == 2
    assert "\u202e" not in shown
    assert await tab.js("document.title") == "Companion · Chat · Perdure"
    await tab.goto(await tab.js("location.href"))
    assert "<script>document.title=2</script>" in await at_rest(tab)
    assert await tab.js("document.title") == "Companion · Chat · Perdure"


async def test_an_empty_message_is_not_sent_and_a_wrong_partner_is_told(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/chat/Companion/say?key=empty")
    await tab.press("Enter")
    await tab.wait_for_text("say something", "#composer")
    assert await tab.js("document.querySelectorAll('.turn').length") == 0
    await tab.goto(f"{ui}/chat/Orders/place?key=x")
    await tab.wait_for_text("Orders/place is no handler that takes a text")
    tab.problems.clear()  # Chromium reports the answers of status 422 and 404


@pytest.mark.crash
async def test_a_conversation_goes_on_through_the_death_of_the_engine(
    browser: Chromium, tmp_path: Path
) -> None:
    engine = EmbeddedEngine(f"{DESK}:app", tmp_path)
    await engine.start()
    try:
        async with browser.tab(f"{engine.admin_url}/ui/chat/Companion/say?key=ada") as tab:
            await say(tab, "one")
            await at_rest(tab)
            await say(tab, "two, and then the engine dies, while this is said word by word")
            await tab.wait_for_text("You said", LAST)
            await engine.restart()
            assert "it is the 2. thing" in await at_rest(tab)
            await say(tab, "three")
            assert "it is the 3. thing" in await at_rest(tab)
    finally:
        engine.kill()
