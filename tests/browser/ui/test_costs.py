"""What model calls cost, as a user sees it who has configured nothing."""

from __future__ import annotations

from typing import Any

import advisers
import httpx2
import pytest
from chromium import Screenshot, Tab


@pytest.fixture(scope="module")
def app() -> Any:
    return advisers.app


async def opened(tab: Tab, ui: str, ingress: httpx2.AsyncClient, path: str) -> None:
    """The page of an invocation that has ended."""
    answer = await ingress.post(path, json="Train or plane?")
    await tab.goto(f"{ui}/invocations/{answer.headers['x-restate-id']}")
    await tab.wait_for("document.querySelector('#journal > .lines > .steps > .output')")


async def read(tab: Tab, selector: str) -> str:
    """The text of an element, in one line."""
    return str(await tab.js(f"document.querySelector({selector!r}).innerText.replace(/\\s+/g, ' ').trim()"))


async def test_calls_have_list_prices_and_say_so(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    await opened(tab, ui, ingress, "/Advice/compare")
    rows = await tab.js(
        "[...document.querySelectorAll('.step.model .what')].map(it => it.innerText.replace(/\\s+/g, ' '))"
    )
    assert [("≈ $0.0013" in row, "Adviser" in row) for row in rows] == [
        (True, True),
        (False, False),
        (True, True),
    ]
    totals = await read(tab, "#totals")
    assert "Cost ≈ $0.0027 + 1 call without a price" in totals
    title = await tab.js("document.querySelector('.step.model .tokens [title]').title")
    assert title.startswith("By list prices: genai-prices 0.")
    await tab.click("#by-agent summary")
    lines = await tab.js("[...document.querySelectorAll('#by-agent tbody tr')].map(it => it.innerText)")
    assert [line.split("\t")[-1] for line in lines] == ["≈ $0.0027", "unknown"]
    await tab.click(".step.model summary")
    await tab.wait_for_text("Cost", ".step.model .inside-body")
    assert "≈ $0.0013 genai-prices 0." in await read(tab, ".step.model .inside-body")
    await screenshot(tab, "invocation-costs")


async def test_without_any_price_the_cost_is_unknown_and_not_nothing(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient
) -> None:
    await opened(tab, ui, ingress, "/Advice/house_only")
    assert "Cost unknown" in await read(tab, "#totals")
    title = await tab.js("document.querySelector('#totals .muted[title]').title")
    assert "Budget(prices=...)" in title


async def test_by_a_users_price_it_is_exact(tab: Tab, ui: str, ingress: httpx2.AsyncClient) -> None:
    await opened(tab, ui, ingress, "/Advice/house_priced")
    assert "Cost $0.0060" in await read(tab, "#totals")
    assert "≈" not in await read(tab, "#journal")


async def test_spend_over_time(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    for path in ("ask", "ask", "compare", "house_priced"):
        await ingress.post(f"/Advice/{path}", json="Train or plane?")
    await tab.goto(f"{ui}/?span=24h")  # that of an hour is remembered from before
    await tab.wait_for_text("Adviser", "#activity")
    total = await tab.js("document.querySelectorAll('#activity .chart .total')[2].innerText")
    assert total.startswith("≈ $0.0")
    legend = await tab.js("document.querySelectorAll('#activity .chart .legend')[2].innerText")
    assert "by list prices (genai-prices 0." in legend
    assert "without a price" in legend
    spenders = await tab.js(
        "[...document.querySelectorAll('#activity tbody tr')].map(it => it.innerText.split('\\t'))"
    )
    by_agent = {agent: spent for agent, _model, _calls, _given, _made, spent in spenders}
    assert by_agent["Adviser"].startswith("≈ $0.0")
    assert by_agent["House"].endswith("without a price")
    await screenshot(tab, "overview-costs")
