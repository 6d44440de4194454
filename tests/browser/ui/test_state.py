"""State in a real browser: browse, edit with others around, and a session as the conversation that it is."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import quote, urlencode

import httpx2
import keepers
import pytest
from chromium import Screenshot, Tab

from perdure.inspection import state
from perdure.inspection.admin_api import AdminApi


@pytest.fixture(scope="module")
def app() -> Any:
    return keepers.app


@pytest.fixture
def key() -> str:
    """A key that is this test's own."""
    return f"shelf-{uuid.uuid4().hex[:8]}"


async def put(ingress: httpx2.AsyncClient, key: str, **entries: object) -> None:
    done = await ingress.post(f"/Shelf/{quote(key, safe='')}/put", json=entries)
    assert done.is_success, done.text


async def kept(api: AdminApi, key: str) -> dict[str, bytes]:
    return dict((await state.state(api, "Shelf", key)).entries)


def of_object(ui: str, key: str, service: str = "Shelf") -> str:
    return f"{ui}/state/{service}/object?{urlencode({'key': key})}"


def of_entry(ui: str, key: str, name: str) -> str:
    return f"{ui}/state/Shelf/entry?{urlencode({'key': key, 'name': name})}"


async def test_from_services_to_keys_to_one_entry(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, key: str, screenshot: Screenshot
) -> None:
    for name in ("books", "records", "tea cups/blue"):
        await put(ingress, name, count=3, title="Momo")
    await put(ingress, key, amount=1.5, title="Momo", tags=["a", "b"], notes="x" * 5_000)
    await tab.goto(f"{ui}/state")
    await tab.wait_for_text("virtual object")
    await tab.wait_for_text("Signup")
    await screenshot(tab, "state")
    await tab.click("[id=service-Shelf] a", leads_on=True)
    await tab.wait_for_text("tea cups/blue")
    await screenshot(tab, "state-keys")
    await tab.press("/")
    await tab.type(key)
    await tab.click("form[role=search] button", leads_on=True)
    assert await tab.js("document.querySelectorAll('tbody tr').length") == 1
    await tab.click("tbody a", leads_on=True)
    await tab.wait_for_text('["a", "b"]', "[id='entry-tags']")
    await tab.wait_for_text("too long to show here", "[id='entry-notes']")
    await screenshot(tab, "state-object")
    await tab.click("[id='entry-amount'] a", leads_on=True)
    assert await tab.js("document.getElementById('text').value") == "1.5"
    await screenshot(tab, "state-entry")


async def test_pages_of_keys_and_of_entries(tab: Tab, ui: str, ingress: httpx2.AsyncClient, key: str) -> None:
    for number in range(51):
        await put(ingress, f"{key}-{number:02}", n=number)
    await put(ingress, key, **{f"entry {number:02}": number for number in range(51)})
    await tab.goto(f"{ui}/state/Shelf?q={key}-")
    await tab.wait_for_text(f"{key}-49")
    await tab.click(".pager a", leads_on=True)
    assert await tab.js("[...document.querySelectorAll('tbody a')].map((a) => a.innerText)") == [f"{key}-50"]
    await tab.goto(of_object(ui, key))
    await tab.wait_for_text("51 in all")
    await tab.click(".pager a", leads_on=True)
    assert await tab.js("[...document.querySelectorAll('tbody .name')].map((a) => a.innerText)") == [
        "entry 50"
    ]


async def test_an_entry_is_edited_added_and_removed(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi, key: str
) -> None:
    await put(ingress, key, title="Momo", other=1)
    await tab.goto(of_entry(ui, key, "title"))
    await tab.type('{\n  "de": "Momo",\n  "price": 1.10\n}', into="#text")
    await tab.click("form .primary", leads_on=True)
    await tab.wait_for_text("The state is written", ".banner.done")
    assert await kept(api, key) == {"title": b'{"de":"Momo","price":1.10}', "other": b"1"}

    await tab.click(".heading a[href*=entry]", leads_on=True)
    await tab.type("new/name", into="#name")
    await tab.js("document.getElementById('kind').value = 'text'")
    await tab.type("two\nlines", into="#text")
    await tab.click("form .primary", leads_on=True)
    assert (await kept(api, key))["new/name"] == b"two\nlines"

    await tab.click("[id='entry-new/name'] button")
    await tab.wait_for_text(f"Remove the entry new/name of Shelf/{key}?", "#confirm")
    await tab.press("Escape")
    assert "new/name" in await kept(api, key)
    await tab.click("[id='entry-new/name'] button")
    await tab.wait_for("document.getElementById('confirm').open")
    await tab.click("#confirm-yes", leads_on=True)
    await tab.wait_for_text("new/name is removed", ".banner.done")
    assert "new/name" not in await kept(api, key)


async def test_what_changed_meanwhile_is_shown_beside_what_was_typed(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi, key: str, screenshot: Screenshot
) -> None:
    await put(ingress, key, title="Momo", other=1)
    await tab.goto(of_entry(ui, key, "title"))
    await put(ingress, key, title="The Neverending Story", other=2)
    await tab.type('"Jim Knopf"', into="#text")
    await tab.click("form .primary", leads_on=True)
    await tab.wait_for_text("somebody changed it meanwhile", "#main")
    await tab.wait_for_text("The Neverending Story", "pre.value")
    assert await tab.js("document.getElementById('text').value") == '"Jim Knopf"'
    assert await kept(api, key) == {"title": b'"The Neverending Story"', "other": b"2"}
    tab.problems.clear()  # the console notes the status, 409
    await screenshot(tab, "state-conflict")
    await tab.click("form .primary", leads_on=True)
    await tab.wait_for_text("The state is written")
    assert await kept(api, key) == {"title": b'"Jim Knopf"', "other": b"2"}


async def test_what_a_handler_has_is_not_edited_and_what_was_typed_stays(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi, key: str, screenshot: Screenshot
) -> None:
    await put(ingress, key, title="Momo")
    await tab.goto(of_object(ui, key))
    holder = (await ingress.post(f"/Shelf/{key}/hold/send")).json()["invocationId"]
    await tab.wait_for_text("in use", "#use")
    await ingress.post(f"/Shelf/{key}/put/send", json={"title": "later"})
    await tab.wait_for_text("1 waiting for it", "#use")
    assert (
        await tab.js("document.querySelector('#use a').getAttribute('href')") == f"/ui/invocations/{holder}"
    )
    await screenshot(tab, "state-in-use")
    await tab.goto(of_entry(ui, key, "title"))
    await tab.type('"Jim"', into="#text")
    await tab.click("form .primary", leads_on=True)
    await tab.wait_for_text("is in use by invocation", "#main")
    assert await tab.js("document.getElementById('text').value") == '"Jim"'
    tab.problems.clear()  # the console notes the status, 409
    await api.change(holder, "kill")


async def test_what_is_no_json_is_not_saved_as_json(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi, key: str
) -> None:
    await put(ingress, key, title="Momo")
    await tab.goto(of_entry(ui, key, "title"))
    await tab.type("{'title': 1}", into="#text")
    await tab.click("form .primary", leads_on=True)
    await tab.wait_for_text("this is no JSON", "#main")
    assert await tab.js("document.getElementById('text').value") == "{'title': 1}"
    assert await kept(api, key) == {"title": b'"Momo"'}
    tab.problems.clear()  # the console notes the status, 400


async def test_all_is_cleared_if_nobody_wrote_meanwhile(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi, key: str, screenshot: Screenshot
) -> None:
    await put(ingress, key, title="Momo", other=1)
    await tab.goto(of_object(ui, key))
    await tab.click(".heading .danger", leads_on=True)
    await tab.wait_for_text("2 entries are removed")
    await screenshot(tab, "state-clear")
    await put(ingress, key, other=2)
    await tab.click("form .danger", leads_on=True)
    await tab.wait_for_text("has changed since it was read", "#main")
    assert len(await kept(api, key)) == 2
    await tab.click(".heading .danger", leads_on=True)
    await tab.click("form .danger", leads_on=True)
    await tab.wait_for_text("keeps nothing any more")
    assert await kept(api, key) == {}


async def test_a_session_is_a_conversation(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    await ingress.post("/Chat/ada/say", json="Hello! I am Ada.")
    await tab.goto(of_object(ui, "ada", "Chat"))
    await tab.wait_for_text("You said: Hello! I am Ada.", ".bubble.theirs")
    await ingress.post("/Chat/ada/say", json="How is the weather in Rome?")
    await tab.wait_for_text("You will need no umbrella.", ".conversation")
    await tab.wait_for_text("get_weather", "details.call")
    await tab.js("document.querySelector('details.call').open = true")
    await tab.wait_for_text("'degrees': 22", "details.call")
    await screenshot(tab, "state-session")
    assert "session/default/000000" not in await tab.js("document.getElementById('entries').innerText")
    await tab.click(".bubble .raw", leads_on=True)
    assert "I am Ada" in await tab.js("document.getElementById('text').value")


async def test_a_long_session_is_read_a_part_at_a_time(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi
) -> None:
    for number in range(25):
        await ingress.post("/Chat/long/say", json=f"message {number}")
    await tab.goto(of_object(ui, "long", "Chat"))
    await tab.wait_for_text("items 10 to 49 of 50")
    shown = "[...document.querySelectorAll('.bubble.mine .said')].map((each) => each.innerText)"
    assert await tab.js(shown) == [f"message {number}" for number in range(5, 25)]
    await tab.click(".session a.button", leads_on=True)
    assert await tab.js(shown) == [f"message {number}" for number in range(5)]


async def test_a_workflows_state_and_promises(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    await ingress.post("/Signup/ada/run/send")
    await tab.goto(of_object(ui, "ada", "Signup"))
    await tab.wait_for_text("ada@example.org", "[id='entry-email']")
    await tab.wait_for_text("waiting", "[id='promise-confirmed']")
    await screenshot(tab, "state-workflow")


async def test_hostile_keys_names_and_values_do_no_harm(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi, screenshot: Screenshot
) -> None:
    hostile = keepers.HOSTILE
    await put(ingress, hostile, **{hostile: {hostile: hostile}, "long": "y" * 1_000_000, "..": 1})
    await state.write_entry(api, "Shelf", "..", "binary", before=None, after=bytes(range(256)))
    await tab.goto(f"{ui}/state/Shelf?q=%3Cimg")
    await tab.wait_for_text("<img src=x", "tbody")
    await tab.click("tbody a", leads_on=True)
    await tab.wait_for_text("␦evil {{ 7*7 }}", "#entries")
    assert await tab.js("document.title.endsWith('Shelf · Perdure')")
    await screenshot(tab, "state-hostile")
    await tab.click(f"#entries a[href*='{quote('%3Cimg')}'], #entries a[href*='%3Cimg']", leads_on=True)
    await tab.click("form .primary", leads_on=True)
    await tab.wait_for_text("The state is written")
    assert (await kept(api, hostile))[hostile] != b""
    await tab.goto(of_entry(ui, hostile, "long"))
    assert await tab.js("document.getElementById('text').value.length") == 1_000_002

    await tab.goto(of_object(ui, ".."))
    await tab.click("#entries a", leads_on=True)
    assert (await tab.js("document.getElementById('text').value")).startswith("00 01 02")
    whole = "fetch(document.querySelector('.heading a[href*=value]').href).then(async (got) => "
    whole += "[got.headers.get('content-type'), [...new Uint8Array(await got.arrayBuffer())]])"
    assert await tab.js(whole) == ["application/octet-stream", list(range(256))]


async def test_hostile_words_in_a_session_are_words(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi
) -> None:
    await ingress.post("/Chat/evil/say", json=keepers.HOSTILE + "z" * 10_000)
    item = {
        "type": "message",
        "role": "<b>\u202e",
        "content": [{"type": "input_image", "filename": "<i>"}, 5, None],
    }
    for at, value in ((2, json.dumps(item).encode()), (3, b"\xff\x00 <b>"), (4, b"[" * 5_000)):
        await state.write_entry(api, "Chat", "evil", f"session/default/{at:06}", before=None, after=value)
    head = b'{"version":1,"items":6}'
    await state.write_entry(
        api, "Chat", "evil", "session/default", before=b'{"version":1,"items":2}', after=head
    )
    await tab.goto(of_object(ui, "evil", "Chat"))
    await tab.wait_for_text("␦evil {{ 7*7 }}", ".bubble.mine")
    await tab.wait_for_text("Show all 10.1k characters", ".bubble.mine")
    await tab.wait_for_text("input_image <i>", ".conversation")
    await tab.wait_for_text("no item of a session", ".conversation")
    assert await tab.js("document.title") == "evil · Chat · Perdure"
