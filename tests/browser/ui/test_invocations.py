"""The list of invocations in a real browser."""

from __future__ import annotations

import httpx2
from chromium import Screenshot, Tab


async def test_a_new_invocation_appears_by_itself(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    await tab.goto(f"{ui}/invocations")
    await tab.wait_for_text("No invocations yet")
    await screenshot(tab, "invocations-empty")
    await ingress.post("/Desk/echo", json="hello")
    await tab.wait_for_text("Desk/echo", "tbody")
    await tab.wait_for_text("succeeded", "tbody")
    await screenshot(tab, "invocations")
