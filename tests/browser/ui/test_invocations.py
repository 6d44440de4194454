"""The list of invocations in a real browser."""

from __future__ import annotations

import httpx2
from chromium import Screenshot, Tab
from travel_desk import ANSWER


async def test_a_new_invocation_appears_by_itself(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    await tab.goto(f"{ui}/invocations")
    await tab.wait_for_text("No invocations yet")
    await screenshot(tab, "invocations-empty")
    answered = await ingress.post("/Desk/ask", json="three days of Budapest")
    assert answered.json() == ANSWER
    await tab.wait_for_text("Desk/ask", "tbody")
    await tab.wait_for_text("succeeded", "tbody")
    for path, body in (
        ("/Desk/refuse", "sold out"),
        ("/Desk/charge/send", "412 euros"),
        ("/Desk/sleep/send", 600),
        ("/Desk/echo/send?delay=1h", "later"),
        ("/Counter/ada/add", 3),
        ("/Flaky/fail/send", "the shop's API answered 503"),
        ("/Desk/think/send", 600),
    ):
        await ingress.post(path, json=body)
    await tab.wait_for_text("paused", "tbody")
    await screenshot(tab, "invocations")
