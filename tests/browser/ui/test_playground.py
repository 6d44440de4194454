"""The playground in a real browser: a handler's input as a form, sent, and its run watched."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from typing import Any

import httpx2
import playground_desk
import pytest
from chromium import Screenshot, Tab

from perdure.inspection.admin_api import AdminApi


@pytest.fixture(scope="module")
def app() -> Any:
    return playground_desk.app


def control(place: str) -> str:
    """The control of a value, by its place."""
    return f'#call [name$="{place}"]'


async def there(tab: Tab, selector: str) -> None:
    await tab.wait_for(f"document.querySelector({json.dumps(selector)}) !== null")


async def press(tab: Tab, what: str) -> None:
    await tab.click(f'#call button[name="do"][value="{what}"]')


async def choose(tab: Tab, selector: str, value: str) -> None:
    await tab.js(
        f"(it => {{ it.value = {json.dumps(value)}; "
        "it.dispatchEvent(new Event('change', {bubbles: true})) })"
        f"(document.querySelector({json.dumps(selector)}))"
    )


async def test_a_handler_is_found_and_its_schema_is_a_form(tab: Tab, ui: str, screenshot: Screenshot) -> None:
    await tab.goto(f"{ui}/playground")
    await tab.wait_for_text("Choose a handler")
    await tab.js("scrollTo(0, 0)")
    await screenshot(tab, "playground-index")
    await tab.type("plac", into="#find")
    await tab.wait_for("document.querySelectorAll('#handlers li:not([hidden])').length === 1")
    await tab.click("#handlers li:not([hidden]) a", leads_on=True)
    await tab.wait_for_text("What a customer orders.")
    await tab.type("Ada", into=control(":/customer"))
    await tab.type("Harbour Street", into=control(":/ship_to/street"))
    await press(tab, "add:/items")
    await there(tab, control(":/items/0/sku"))
    await tab.type("LAMP", into=control(":/items/0/sku"))
    await press(tab, "add:/labels")
    await there(tab, ".key")
    await tab.type("fragile", into=".key")
    await tab.type("2", into='#call [name^="json:/labels/"]')
    await press(tab, "include:/bill_to")
    await there(tab, control(":/bill_to/street"))
    await choose(tab, '[name="variant:/payment"]', "1")
    await there(tab, control(":/payment/days"))
    await tab.click('#call input[type="checkbox"][name="json:/gift"]')
    await tab.js("scrollTo(0, 0)")
    await screenshot(tab, "playground-form")
    await tab.click("#do-call")
    await tab.wait_for_text('"placed"', "#result")
    output = json.loads(await tab.js("document.querySelector('#result pre').innerText"))
    assert output["placed"] == {
        "customer": "Ada",
        "size": "small",
        "items": [{"sku": "LAMP", "count": 1}],
        "ship_to": {"street": "Harbour Street", "floor": None},
        "bill_to": {"street": "", "floor": None},
        "payment": {"kind": "invoice", "days": 30},
        "labels": {"fragile": 2},
        "gift": True,
        "note": None,
    }


async def test_what_is_wrong_stands_at_its_field_and_nothing_is_lost(
    tab: Tab, ui: str, screenshot: Screenshot
) -> None:
    await tab.goto(f"{ui}/playground/Orders/place")
    await press(tab, "add:/items")
    await there(tab, control(":/items/0/count"))
    await tab.type("many", into=control(":/items/0/count"))
    await tab.click("#do-call")
    await tab.wait_for_text("not a number")
    assert await tab.js(f"document.querySelector('{control(':/items/0/count')}').value") == "many"
    await tab.type("0", into=control(":/items/0/count"))
    await tab.click("#do-call")
    await tab.wait_for_text("0 is less than the minimum of 1")
    assert await tab.js("document.activeElement.getAttribute('aria-invalid')") == "true"
    await tab.js("scrollTo(0, 0)")
    await screenshot(tab, "playground-problems")
    tab.problems.clear()  # Chromium reports the answers of status 422


async def test_form_and_json_are_two_ways_to_write_the_same(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/playground/Orders/place")
    await tab.type("Ada", into=control(":/customer"))
    await press(tab, "json")
    await there(tab, '#call [name="json:"]')
    written = await tab.js("document.querySelector('#call [name=\"json:\"]').value")
    value = json.loads(written)
    assert value["customer"] == "Ada"
    await tab.type(written.replace('"Ada"', '"Grace"').replace("}", "", 1), into='#call [name="json:"]')
    await press(tab, "form")
    await tab.wait_for_text("not JSON")
    await tab.type(json.dumps({**value, "customer": "Grace", "more": [1]}), into='#call [name="json:"]')
    await press(tab, "form")
    await tab.wait_for(f"document.querySelector('{control(':/customer')}')?.value === 'Grace'")
    await press(tab, "json")
    await there(tab, '#call [name="json:"]')
    again = json.loads(await tab.js("document.querySelector('#call [name=\"json:\"]').value"))
    assert again == {**value, "customer": "Grace", "more": [1]}


async def test_a_run_is_watched_as_it_streams(tab: Tab, ui: str, screenshot: Screenshot) -> None:
    await tab.goto(f"{ui}/playground/Guide/ask")
    await tab.type("Any ships?", into="#call textarea")
    await tab.click("#do-call")
    await tab.wait_for_text("The lighthouse keeper", "#result")
    assert playground_desk.STORY not in await tab.js("document.querySelector('#result').innerText")
    await tab.wait_for_text(playground_desk.STORY, "#result")
    await tab.wait_for("document.querySelector('#result [data-activity]').hidden")
    shown = await tab.js("document.querySelector('#result').innerText")
    assert "count_ships" in shown
    assert "Keeper hands over to Teller" in " ".join(shown.split())
    assert "progress" in shown
    await tab.click("#result .part.tool summary")
    await tab.wait_for_text('"ships": 7', "#result")
    await tab.js("scrollTo(0, 0)")
    await screenshot(tab, "playground-run")
    assert await tab.js("document.title") == "Guide/ask · Playground · Perdure"  # the hostile log did nothing
    await tab.goto(await tab.js("location.href"))  # the address has the run, and the browser the input
    await tab.wait_for_text(playground_desk.STORY, "#result")
    await tab.wait_for("document.querySelector('#call textarea').value === 'Any ships?'")


async def test_the_last_inputs_are_kept_in_the_browser(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/playground/Companion/say")
    await tab.type("ada", into="#key")
    for text in ("one", "two"):
        await tab.type(text, into="#call textarea")
        await tab.click('#call button[value="send"]')
        await tab.wait_for(f"(localStorage['perdure:playground:Companion/say'] ?? '').includes('{text}')")
    await tab.goto(f"{ui}/playground/Companion/say")
    await tab.wait_for("document.querySelector('#call textarea').value === 'two'")
    assert await tab.js("document.querySelector('#key').value") == "ada"
    await choose(tab, "#recent", "1")
    await tab.wait_for("document.querySelector('#call textarea').value === 'one'")
    await tab.goto(f"{ui}/playground/Companion/say?new=1")
    assert await tab.js("document.querySelector('#call textarea').value") == ""


async def test_a_key_is_asked_for_and_idempotency_and_delay_are_sent(
    tab: Tab, ui: str, api: AdminApi
) -> None:
    await tab.goto(f"{ui}/playground/Signup/run")
    await tab.type("ada@example.org", into="#call textarea")
    await tab.click("#do-call")
    await tab.wait_for_text("a key is required")
    tab.problems.clear()  # Chromium reports the answer of status 422
    await tab.type("ada", into="#key")
    await tab.click("#do-call")
    await tab.wait_for_text("ada@example.org of ada", "#result")
    await tab.goto(f"{ui}/playground/Orders/ping")
    await tab.wait_for_text("It takes no input.")
    await tab.click("#call details.options summary")
    await tab.type("ping-1", into="#idempotency_key")
    await tab.type("3600", into="#delay_s")
    await tab.wait_for_text("idempotency-key: ping-1", "#curl")
    assert "/Orders/ping/send?delay=3600000ms" in await tab.js("document.querySelector('#curl').innerText")
    await tab.click('#call button[value="send"]')
    await tab.wait_for_text("It is on disk", "#result")
    rows = (
        await api.query("SELECT status, idempotency_key FROM sys_invocation WHERE target = 'Orders/ping'")
    ).rows
    assert rows == [{"status": "scheduled", "idempotency_key": "ping-1"}]
    await tab.click('#call button[value="send"]')
    await tab.wait_for_text("it was there already", "#result")


async def test_a_failure_is_shown_as_it_is(tab: Tab, ui: str, screenshot: Screenshot) -> None:
    await tab.goto(f"{ui}/playground/Orders/refuse")
    await tab.type("<b>out of lamps</b>", into="#call textarea")
    await tab.click("#do-call")
    await tab.wait_for_text("Failed (422): <b>out of lamps</b>", "#result")
    await tab.js("scrollTo(0, 0)")
    await screenshot(tab, "playground-failure")


async def test_a_run_is_tried_again_with_its_input_and_a_run_is_cancelled(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient
) -> None:
    sent = await ingress.post("/Companion/ada%2F1/say/send", json="bell & <b>")
    await tab.goto(f"{ui}/playground/Companion/say?like={sent.json()['invocationId']}")
    assert await tab.js("document.querySelector('#key').value") == "ada/1"
    assert await tab.js("document.querySelector('#call textarea').value") == "bell & <b>"
    await tab.type("another", into="#key")
    await tab.click("#do-call")
    await tab.wait_for_text("Asks for approval", "#result")
    await tab.click("#result [data-activity] button")
    await tab.click("#confirm-yes", leads_on=True)
    await tab.wait_for_text("Failed (409): cancelled", "#result")


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on the PATH")
async def test_the_line_for_the_shell_does_the_same(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/playground/Orders/place")
    await tab.type("O'Hara & $HOME", into=control(":/customer"))
    await tab.wait_for_text("Hara & $HOME", "#curl")
    line = await tab.js("document.querySelector('#curl [data-copy]').dataset.copy")
    process = await asyncio.create_subprocess_shell(
        line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await process.communicate()
    assert b'"customer":"O\'Hara & $HOME"' in said


async def test_long_output_is_cut(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/playground/Orders/refuse")
    await tab.js("document.querySelector('#call textarea').value = 'x'.repeat(1_000_000)")
    await tab.click("#do-call")
    await tab.wait_for_text("Failed (422)", "#result")
    assert len(await tab.js("document.querySelector('#result').innerText")) < 10_000


async def test_it_works_without_scripts(ui: str) -> None:
    async with httpx2.AsyncClient() as http:
        page = (await http.get(f"{ui}/playground?q=ping")).text
        assert ("/playground/Orders/ping" in page, "/playground/Orders/place" in page) == (True, False)
        form = {"object:": "", "text:/customer": "Ada", "list:/items": "", "do": "add:/items"}
        added = await http.post(f"{ui}/playground/Orders/place", data=form)
        assert 'name="text:/items/0/sku"' in added.text
        sent = await http.post(f"{ui}/playground/Orders/ping", data={"do": "call"})
        assert sent.status_code == 200
        assert re.search(r'<noscript>.*href="/ui/invocations/inv_', sent.text)
        wrong = await http.post(f"{ui}/playground/Orders/place", data=form | {"do": "call"})
        assert (wrong.status_code, "a value is required" in wrong.text) == (422, True)
        for name, value, problem in (("delay_s", "nan", "seconds"), ("idempotency_key", "é", "ASCII")):
            wrong = await http.post(f"{ui}/playground/Orders/ping", data={"do": "call", name: value})
            assert (wrong.status_code, problem in wrong.text) == (422, True)
        assert (await http.get(f"{ui}/playground/Orders/nothing")).status_code == 404
