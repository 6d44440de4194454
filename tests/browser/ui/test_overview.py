"""The overview in a real browser."""

from __future__ import annotations

import httpx2
from chromium import Screenshot, Tab


async def test_an_empty_engine_says_what_to_type(
    tab: Tab, engine: object, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    await tab.wait_for_text("No invocations yet")
    line = await tab.js("document.querySelector('.empty .command code').innerText")
    assert line.startswith(f"curl {str(ingress.base_url).rstrip('/')}/")
    await tab.wait_for_text("last hour", "#activity")
    await screenshot(tab, "overview-empty")


async def test_it_tells_what_runs_what_waits_and_what_it_cost(
    tab: Tab, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    for path, body in (
        ("/Desk/ask", "three days of Budapest"),
        ("/Desk/ask", "and two of Vienna"),
        ("/Desk/echo", "hello"),
        ("/Desk/refuse", "sold out"),
        ("/Counter/ada/add", 3),
        ("/Desk/charge/send", "412 euros"),
        ("/Flaky/fail/send", "the shop's API answered 503"),
        ("/Desk/think/send", 600),
    ):
        await ingress.post(path, json=body)
    figures = """Object.fromEntries(
        [...document.querySelectorAll(".figure")].map((figure) => figure.innerText.split("\\n").reverse()))"""
    await tab.wait_for(f"({figures}).paused === '1'")
    told = await tab.js(figures)
    assert (told["succeeded"], told["failed"]) == ("4", "1")
    await tab.wait_for_text("pay", ".attention")
    await tab.wait_for_text("the shop's API answered 503", ".attention")
    # What was found first is shown for four times as long as it took, and the first query takes long.
    await tab.wait_for("document.querySelector('#activity').innerText.includes('Booking')", timeout_s=60)
    charts = await tab.js(
        "[...document.querySelectorAll('#activity svg')].map(it => it.getAttribute('aria-label'))"
    )
    assert charts[0].startswith("Invocations, last hour: 4 succeeded, 1 failed, ")
    assert charts[1].startswith("Tokens, last hour: 70 input, 35 output.")
    assert charts[2].startswith("Model spend, last hour: $0.0875 spent.")
    spenders = await tab.js(
        "[...document.querySelectorAll('#activity tbody tr')].map(it => it.innerText.split('\\t'))"
    )
    assert spenders[0] == ["Booking", "gpt-5-mini", "4", "40", "20", "$0.0500"]
    await screenshot(tab, "overview")
    await tab.click(".figure.failed", leads_on=True)
    await tab.wait_for_text("Desk/refuse", "tbody")
    assert await tab.js("document.querySelectorAll('tbody tr').length") == 1
