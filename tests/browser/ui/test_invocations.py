"""The list of invocations in a real browser."""

from __future__ import annotations

import httpx2
import pytest
from chromium import Screenshot, Tab
from travel_desk import ANSWER

ROWS = "[...document.querySelectorAll('tbody tr')]"
TARGETS = f"{ROWS}.map((row) => row.querySelector('.grow a').innerText)"


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


@pytest.fixture(scope="module")
async def called(ingress: httpx2.AsyncClient) -> None:
    """One invocation of each status, and some more."""
    for path, body in (
        ("/Desk/refuse", "sold out"),
        ("/Desk/charge/send", "412 euros"),
        ("/Desk/sleep/send", 600),
        ("/Desk/echo/send?delay=1h", "later"),
        ("/Counter/ada/add", 3),
        ("/Flaky/fail/send", "the shop's API answered 503"),
        ("/Desk/think/send", 600),
    ):
        await ingress.post(path, json=body, headers={"idempotency-key": f"order-17-{path}"})


@pytest.mark.usefixtures("called")
async def test_the_filter_applies_as_it_is_changed_and_lives_in_the_address(
    tab: Tab, ui: str, screenshot: Screenshot
) -> None:
    await tab.goto(f"{ui}/invocations")
    await tab.wait_for_text("paused", "tbody")
    await screenshot(tab, "invocations")
    await tab.press("/")
    await tab.type("order-17-/Desk/ref")
    await tab.wait_for(f"{TARGETS}.join() === 'Desk/refuse'")
    assert await tab.js("location.search") == "?q=order-17-%2FDesk%2Fref"
    for name, value, targets in (
        ("status", "paused", "Flaky/fail"),
        ("status", "failed", "Desk/refuse"),
        ("status", "scheduled", "Desk/echo"),
        ("service", "Counter", "Counter/ada/add"),
        ("key", "ada", "Counter/ada/add"),
        ("handler", "refuse", "Desk/refuse"),
    ):
        await tab.js(
            "document.querySelectorAll('#filters input, #filters select').forEach(it => it.value = '')"
        )
        await tab.js(
            f"""(field => {{ field.value = {value!r};
            field.dispatchEvent(new Event("input", {{bubbles: true}})) }})
            (document.querySelector("#{name}"))"""
        )
        await tab.wait_for(f"location.search === '?{name}={value}' && {TARGETS}.join() === {targets!r}")
    await tab.goto(f"{ui}/invocations?handler=refuse&status=succeeded")
    await tab.wait_for_text("Nothing matches")
    await screenshot(tab, "invocations-nothing-matches")


@pytest.mark.usefixtures("called")
async def test_times_in_the_address_narrow_the_list(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/invocations?since=5m")
    assert await tab.js(f"{ROWS}.length") > 5
    await tab.goto(f"{ui}/invocations?before=2020-01-01T00:00")
    await tab.wait_for_text("Nothing matches")
    await tab.goto(f"{ui}/invocations?after=2020-01-01T00:00&before=2999-01-01T00:00")
    assert await tab.js(f"{ROWS}.length") > 5


async def test_a_time_that_is_none_is_told(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/invocations?after=yesterday")
    await tab.wait_for_text("'yesterday' is no time: write 2026-11-23T07:20, in UTC")
    tab.problems.clear()  # the console tells of the 400


async def test_pages_of_many_invocations(tab: Tab, ui: str, ingress: httpx2.AsyncClient) -> None:
    for number in range(120):
        await ingress.post(f"/Counter/page-{number:03}/add", json=1)
    await tab.goto(f"{ui}/invocations?handler=add&since=1h")
    await tab.click(".tabs a:last-child", leads_on=True)
    assert int(await tab.js("document.querySelector('.tabs [aria-current] .amount').innerText")) >= 120
    await tab.goto(f"{ui}/invocations?q=page-")
    seen = [await tab.js(TARGETS)]
    for _ in range(2):
        await tab.click(".pager a:last-child", leads_on=True)
        seen.append(await tab.js(TARGETS))
    assert [len(page) for page in seen] == [50, 50, 20]
    assert sorted(target for page in seen for target in page) == [
        f"Counter/page-{number:03}/add" for number in range(120)
    ]
    for page in (seen[1], seen[0]):
        await tab.click(".pager a:first-of-type", leads_on=True)
        assert await tab.js(TARGETS) == page
    assert await tab.js("document.querySelectorAll('.pager a').length") == 1


HOSTILE = (
    '<img src=x onerror="document.title=\'hacked\'"><script>document.title="hacked"</script>\u202egnp.exe'
)


async def test_hostile_words_are_shown_and_harm_nothing(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    await ingress.post("/Desk/refuse", json=HOSTILE + "x" * 200_000)
    await ingress.post("/Counter/%3Cimg%20src%3Dx%3E%2F..%2F%22'/add", json=1)
    await tab.goto(f"{ui}/invocations?since=5m")
    await tab.wait_for_text('<script>document.title="hacked"</script>␦gnp.exe', "tbody")
    await tab.wait_for_text("Counter/<img src=x>/../\"'/add", "tbody")
    await screenshot(tab, "invocations-hostile")
    assert len(await tab.js("document.body.innerText")) < 20_000
    await tab.goto(f"{ui}/")
    await tab.wait_for_text('<script>document.title="hacked"</script>␦gnp.exe', ".attention")
    assert await tab.js("document.title") == "Overview · Perdure"
    await tab.goto(f"{ui}/invocations?q=" + "%3Cscript%3E%22")
    assert await tab.js("document.querySelector('#q').value") == '<script>"'


async def test_many_are_chosen_and_ended_together(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    for number in range(3):
        await ingress.post("/Desk/think/send", json=600, headers={"idempotency-key": f"many-{number}"})
    await ingress.post("/Desk/echo", json="x", headers={"idempotency-key": "many-over"})
    await tab.goto(f"{ui}/invocations?q=many-")
    hidden = "getComputedStyle(document.querySelector('.batch')).display === 'none'"
    assert await tab.js(hidden)
    for row in (2, 3):
        await tab.click(f"tbody tr:nth-child({row}) .choose input")
    assert not await tab.js(hidden)
    await ingress.post("/Desk/echo", json="x", headers={"idempotency-key": "many-new"})
    await tab.wait_for(f"{ROWS}.length === 5")
    await screenshot(tab, "invocations-chosen")
    await tab.click(".batch [value=kill]")
    await tab.wait_for("document.querySelector('#confirm').open")
    await tab.click("#confirm-yes", leads_on=True)
    await tab.wait_for_text("2 invocations: asked to kill.", ".banner.done")
    assert await tab.js("location.search") == "?q=many-"
    states = "succeeded,succeeded,failed,failed,running"
    await tab.wait_for(f"{ROWS}.map((row) => row.querySelector('.badge').innerText).join() === '{states}'")
    await tab.click("tbody tr:nth-child(1) .choose input")
    await tab.click("tbody tr:nth-child(5) .choose input")
    await tab.click(".batch [value=purge]")
    await tab.wait_for("document.querySelector('#confirm').open")
    await tab.click("#confirm-yes", leads_on=True)
    told = "1 invocation: asked to purge. 1 invocation: refused. "
    await tab.wait_for_text(told, ".banner.failed:not([hidden])")
