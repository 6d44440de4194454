"""Services and deployments in a real browser."""

from __future__ import annotations

import asyncio
import json
import shlex

from chromium import Screenshot, Tab


async def test_a_service_tells_its_handlers_and_how_each_is_called(
    tab: Tab, ui: str, screenshot: Screenshot
) -> None:
    await tab.goto(f"{ui}/services")
    await screenshot(tab, "services")
    await tab.click("#service-Desk a", leads_on=True)
    await tab.wait_for_text("Book a trip: Triage hands over to Booking", "#handler-ask")
    await screenshot(tab, "service")
    line = await tab.js("document.querySelector('#handler-echo .command code').innerText")
    curl = await asyncio.create_subprocess_exec(*shlex.split(line), "-sS", stdout=asyncio.subprocess.PIPE)
    answer, _ = await curl.communicate()
    assert json.loads(answer) == json.loads(shlex.split(line)[-1]), "the line works as it stands"


async def test_deployments_tell_where_services_run(tab: Tab, ui: str, screenshot: Screenshot) -> None:
    await tab.goto(f"{ui}/deployments")
    await tab.wait_for_text("travel_desk.py:app, in the engine's process", "tbody")
    await screenshot(tab, "deployments")
    await tab.click("tbody a[href$='/services/Desk']", leads_on=True)
    await tab.wait_for_text("Desk", "h1")
