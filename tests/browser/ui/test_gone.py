"""Pages whose subject goes while one looks at them: they say so, and lead on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
from chromium import Chromium, Screenshot, Tab
from embedded_engine import EmbeddedEngine

from perdure.inspection import approvals, state
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.approvals import Approval
from perdure.inspection.decisions import decide

DESK = str(Path(__file__).parents[2] / "support" / "travel_desk.py")
LOOK_NOW = "import('/ui/static/live.js').then(({ refresh }) => refresh())"
SHOWN = "(id => { const it = document.getElementById(id); return it && !it.hidden ? it.innerText : '' })"


async def called(ingress: httpx2.AsyncClient, path: str, body: object, **headers: str) -> str:
    """The id of the invocation, which has completed."""
    answer = await ingress.post(path, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    return str(answer.headers["x-restate-id"])


async def asked(ingress: httpx2.AsyncClient, api: AdminApi) -> Approval:
    """What a new invocation waits for."""
    sent = (await ingress.post("/Desk/charge/send", json="412 euros")).json()["invocationId"]
    async with asyncio.timeout(20):
        while True:
            for each in await approvals.pending(api):
                if each.invocation_id == sent:
                    return each
            await asyncio.sleep(0.05)


async def test_an_invocation_that_is_purged(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi, screenshot: Screenshot
) -> None:
    run = await called(ingress, "/Desk/echo", "hello", idempotency_key="once")
    await tab.goto(f"{ui}/invocations/{run}")
    await tab.wait_for_text("hello", ".step.input")
    await api.change(run, "purge")
    await tab.js(LOOK_NOW)
    await tab.wait_for(f"{SHOWN}('gone').includes('no longer kept')")
    await tab.wait_for_text("hello", ".step.input")
    assert not await tab.js("document.querySelector('#invocation-actions form').checkVisibility()")
    await tab.js("document.querySelector('.step.input summary').click()")
    await tab.wait_for_text("no longer kept", ".step.input")
    await screenshot(tab, "invocation-purged")

    again = await called(ingress, "/Desk/echo", "hello", idempotency_key="once")
    assert again == run, "the key is free again"
    await tab.js("globalThis.before = true")
    await tab.js(LOOK_NOW)
    await tab.wait_for("globalThis.before === undefined && document.readyState === 'complete'")
    await tab.wait_for_text("succeeded", "#invocation-status")
    assert await tab.js("document.getElementById('gone').hidden")

    await api.change(run, "purge")
    await tab.js(LOOK_NOW)
    await tab.wait_for(f"{SHOWN}('gone')")
    await tab.click("#gone a", leads_on=True)
    assert await tab.js("location.pathname") == "/ui/invocations"
    tab.problems.clear()  # the console tells of the 404


async def test_an_invocation_that_ran_a_moment_ago(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi
) -> None:
    run = (await ingress.post("/Desk/sleep/send", json=600)).json()["invocationId"]
    await tab.goto(f"{ui}/invocations/{run}")
    await tab.wait_for_text("running", "#invocation-status")
    hidden = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true})"
    await tab.js(hidden % "true")  # nobody looks
    await api.change(run, "kill")
    await api.change(run, "purge")
    await tab.js(f"{hidden % 'false'}; document.dispatchEvent(new Event('visibilitychange'))")
    await tab.wait_for(f"{SHOWN}('gone').includes('no longer kept')")
    tab.problems.clear()


async def test_a_page_of_what_was_purged_before_leads_to_the_list(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi, screenshot: Screenshot
) -> None:
    run = await called(ingress, "/Desk/echo", "hello")
    await api.change(run, "purge")
    await tab.goto(f"{ui}/invocations/{run}")
    await tab.wait_for_text("No such invocation", "h1")
    await tab.wait_for_text(run, "main")
    await screenshot(tab, "no-such-invocation")
    await tab.click("main a[href$='/invocations']", leads_on=True)
    await tab.wait_for_text("Invocations", "h1")
    tab.problems.clear()


async def test_a_journal_that_is_purged(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi
) -> None:
    run = await called(ingress, "/Desk/echo", "hello")
    await tab.goto(f"{ui}/invocations/{run}")
    await tab.wait_for_text("hello", ".step.input")
    await api.change(run, "purge-journal")
    await tab.js(LOOK_NOW)
    await tab.wait_for("document.querySelector('.step') === null")
    await tab.wait_for_text("Its journal is not kept", "#journal")
    await tab.wait_for_text("succeeded", "#invocation-status")
    assert await tab.js("document.getElementById('gone').hidden")


async def test_the_state_of_an_object_that_is_cleared(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi, screenshot: Screenshot
) -> None:
    await called(ingress, "/Counter/eve/add", 3)
    await tab.goto(f"{ui}/state/Counter/object?key=eve")
    await tab.wait_for_text("total", "#entries")
    kept = await state.state(api, "Counter", "eve")
    await state.clear(api, "Counter", "eve", kept.version)
    await tab.wait_for_text("Nothing is kept under this key", "#entries")
    await screenshot(tab, "state-cleared")
    await tab.click("#entries .empty a", leads_on=True)
    assert await tab.js("location.pathname") == "/ui/state/Counter"


async def test_an_approval_that_another_decides_is_told_in_the_inbox(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi, screenshot: Screenshot
) -> None:
    waiting = await asked(ingress, api)
    await tab.goto(f"{ui}/approvals")
    card = f"[id='{waiting.id}']"
    await tab.type("not before Monday", into=f"{card} textarea")
    await decide(api, waiting.id, approved=True, by="Grace")
    await tab.wait_for_text("pay was approved by Grace", "#decided")
    await tab.wait_for_text("not before Monday", "#decided")
    assert await tab.js("document.activeElement.id") == "decided", "the focus was in what is gone"
    await screenshot(tab, "approvals-decided-elsewhere")


async def test_an_approval_that_another_decides_is_told_where_the_run_is_watched(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi
) -> None:
    await tab.goto(f"{ui}/chat/Desk/charge")
    await tab.type("412 euros", into="#message")
    await tab.press("Enter")
    await tab.wait_for_text("Asks for approval", ".turn")
    (waiting,) = await approvals.pending(api)
    await decide(api, waiting.id, approved=False, message="too dear", by="Grace")
    await tab.wait_for_text("rejected by Grace: too dear", ".turn")
    await tab.wait_for("!document.querySelector('.asks form')?.offsetParent")


async def test_the_engine_stops_and_starts_again(browser: Chromium, tmp_path: Path) -> None:
    engine = EmbeddedEngine(DESK, tmp_path)
    await engine.start()
    try:
        async with (
            httpx2.AsyncClient(base_url=engine.ingress_url, timeout=30) as ingress,
            browser.tab(f"{engine.admin_url}/ui/") as tab,
        ):
            run = (await ingress.post("/Desk/sleep/send", json=8)).json()["invocationId"]
            await tab.goto(f"{engine.admin_url}/ui/invocations/{run}")
            await tab.wait_for_text("running", "#invocation-status")
            engine.kill()
            await tab.wait_for(f"{SHOWN}('unreachable').includes('The engine is not reachable')")
            await engine.start()
            await tab.wait_for("document.getElementById('unreachable').hidden", timeout_s=20)
            await tab.wait_for(f"{SHOWN}('invocation-status') === 'succeeded'", timeout_s=20)
            await tab.wait_for_text("slept", ".step.output")
            # Its data are gone: the same address, another engine.
            engine.kill()
            for each in engine.data_dir.iterdir():
                each.unlink()
            await engine.start()
            await tab.js(LOOK_NOW)
            await tab.wait_for(f"{SHOWN}('gone').includes('no longer kept')", timeout_s=20)
    finally:
        engine.kill()
