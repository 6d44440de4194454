"""SQL in a real browser: written, run, paged through, linked, downloaded."""

from __future__ import annotations

import csv
import io
import json
from urllib.parse import quote, urlsplit

import httpx2
import pytest
from chromium import Screenshot, Tab

HOSTILE = '<script>document.title=1</script>,"quoted"\nsecond line\u202e'


@pytest.fixture(scope="module")
async def echoed(ingress: httpx2.AsyncClient) -> str:
    """An invocation of Desk/echo with a hostile idempotency key; its id."""
    headers = {"idempotency-key": "<b>key</b>"}
    return str((await ingress.post("/Desk/echo", json=HOSTILE, headers=headers)).headers["x-restate-id"])


async def test_a_query_is_written_run_and_kept_in_the_address(
    tab: Tab, ui: str, echoed: str, screenshot: Screenshot
) -> None:
    await tab.goto(f"{ui}/sql")
    await tab.wait_for_text("Examples")
    await screenshot(tab, "sql")
    await tab.click('[data-table="sys_invocation"] summary')
    await tab.click('[data-table="sys_invocation"] [data-insert="id"]')
    await tab.click('[data-table="sys_invocation"] [data-insert="idempotency_key"]')
    written = await tab.js("document.querySelector('#query').value")
    assert written == "SELECT id, idempotency_key\nFROM sys_invocation\nLIMIT 100"
    await tab.js("document.querySelector('#query').focus()")
    await tab.js(
        "document.activeElement.dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'Enter', ctrlKey: true, bubbles: true}))"
    )
    await tab.wait_for_text("<b>key</b>", "#result")
    assert "1 row" in await tab.js("document.querySelector('#result').innerText")
    address = await tab.js("location.href")
    await tab.goto(address)
    await tab.wait_for_text("<b>key</b>", "#result")
    await tab.click("#result tbody a", leads_on=True)
    assert urlsplit(await tab.js("location.href")).path == f"/ui/invocations/{echoed}"
    tab.problems.clear()  # that page is another test's


async def test_many_rows_are_paged_and_values_are_harmless(tab: Tab, ui: str, screenshot: Screenshot) -> None:
    many = "SELECT value AS n, concat('<i>', value) AS text, NULL AS nothing FROM generate_series(1, 1205)"
    await tab.goto(f"{ui}/sql?query={quote(many)}")
    await tab.wait_for_text("1,205 rows")
    await tab.wait_for_text("the first 1,000 are shown")
    visible = "[...document.querySelectorAll('#result tbody tr')].filter((row) => !row.hidden)"
    assert await tab.js(f"{visible}.length") == 100
    for _ in range(2):
        await tab.click("#page-after")
    assert await tab.js("document.querySelector('#page-now').textContent") == "rows 201 to 300"
    assert "<i>201" in await tab.js(f"{visible}[0].innerText")
    await tab.js("scrollTo(0, 0)")
    await screenshot(tab, "sql-rows")


async def test_an_error_is_shown_as_the_engine_says_it(tab: Tab, ui: str, screenshot: Screenshot) -> None:
    await tab.goto(f"{ui}/sql?query={quote('SELECT <b>nothing</b> FROM sys_invocation')}")
    assert await tab.js("document.querySelector('.banner.failed pre').innerText.length > 10")
    assert (
        await tab.js("document.querySelector('#query').value") == "SELECT <b>nothing</b> FROM sys_invocation"
    )
    await screenshot(tab, "sql-error")
    tab.problems.clear()  # Chromium reports the answer of status 400


async def test_all_rows_are_downloaded(ui: str, echoed: str) -> None:
    query = "SELECT id, idempotency_key, next_retry_at FROM sys_invocation WHERE target = 'Desk/echo'"
    async with httpx2.AsyncClient() as http:
        as_csv = await http.get(f"{ui}/sql/download", params={"query": query, "format": "csv"})
        as_json = await http.get(f"{ui}/sql/download", params={"query": query, "format": "json"})
        from_elsewhere = await http.get(
            f"{ui}/sql/download",
            params={"query": query, "format": "csv"},
            headers={"sec-fetch-site": "cross-site"},
        )
        linked = await http.get(
            f"{ui}/sql", params={"query": query}, headers={"sec-fetch-site": "cross-site"}
        )
    assert list(csv.reader(io.StringIO(as_csv.text))) == [
        ["id", "idempotency_key", "next_retry_at"],
        [echoed, "<b>key</b>", ""],
    ]
    assert json.loads(as_json.content) == [{"id": echoed, "idempotency_key": "<b>key</b>"}]
    assert as_csv.headers["content-disposition"] == 'attachment; filename="query.csv"'
    assert from_elsewhere.status_code == 403
    assert "A link of another site" in linked.text
    assert echoed not in linked.text
