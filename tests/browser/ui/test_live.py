"""Live sections: what changed on the server changes in the page; what people do in it stays theirs."""

from __future__ import annotations

import json

import httpx2
from chromium import Tab


async def morphed(tab: Tab, old: str, fresh: str, before: str = "") -> str:
    """What `old` is when it was made like `fresh`. before: runs in between, `old` is `it` there."""
    return str(
        await tab.js(
            f"""(async () => {{
            const {{ morph }} = await import("/ui/static/morph.js");
            const main = document.querySelector("main");
            main.innerHTML = {json.dumps(old)};
            const it = main.firstElementChild;
            {before};
            const fresh = new DOMParser().parseFromString({json.dumps(fresh)}, "text/html");
            morph(it, fresh.body.firstElementChild);
            return main.innerHTML;
            }})()"""
        )
    )


async def test_rows_come_go_and_move_and_stay_themselves(tab: Tab) -> None:
    def rows(names: str) -> str:
        return "<ul>" + "".join(f'<li id="{name}"><a href="#">{name}</a></li>' for name in names) + "</ul>"

    for old, new in (("abc", "xabc"), ("abc", "ac"), ("abc", "cab"), ("abc", "zyx"), ("abc", ""), ("", "ab")):
        assert await morphed(tab, rows(old), rows(new)) == rows(new)
    kept = "document.querySelector('#b a').focus(); globalThis.row = document.querySelector('#b')"
    await morphed(tab, rows("abc"), rows("xyabcz"), kept)
    assert await tab.js("document.querySelector('#b') === row && row.contains(document.activeElement)")


async def test_what_people_do_in_it_survives(tab: Tab) -> None:
    old = '<div><details><summary>s</summary><p>1</p></details><input value="a"><p class="x">old</p></div>'
    new = '<div><details><summary>s</summary><p>2</p></details><input value="b"><p class="y">new</p></div>'
    used = "it.querySelector('details').open = true; it.querySelector('input').value = 'typed'"
    shown = await morphed(tab, old, new, used)
    assert '<details open=""><summary>s</summary><p>2</p></details>' in shown
    assert '<p class="y">new</p>' in shown
    assert await tab.js("document.querySelector('main input').value") == "typed"


async def test_what_a_script_wrote_into_its_own_element_survives(tab: Tab) -> None:
    old, new = "<div><b data-keep>-</b><i>1</i></div>", "<div><b data-keep>-</b><i>2</i></div>"
    shown = await morphed(tab, old, new, "it.querySelector('b').textContent = 'streamed'")
    assert shown == '<div><b data-keep="">streamed</b><i>2</i></div>'


async def test_times_run_on(tab: Tab) -> None:
    shown = "document.querySelector('main time').textContent"
    old = '<p><time datetime="2026-01-01T00:00:00Z" data-ago>2026-01-01</time></p>'
    await morphed(
        tab, old, old.replace("<p>", '<p class="changed">'), "it.firstChild.textContent = 'long ago'"
    )
    assert await tab.js(shown) == "long ago"
    await morphed(tab, old, old.replace("T00:00", "T00:01"), "it.firstChild.textContent = 'long ago'")
    assert await tab.js(shown) == "2026-01-01"


async def test_the_focus_stays_while_rows_come(tab: Tab, ui: str, ingress: httpx2.AsyncClient) -> None:
    await ingress.post("/Desk/echo", json="first")
    await tab.goto(f"{ui}/invocations")
    await tab.press("j")
    focused = await tab.js("document.activeElement.href")
    assert "/invocations/inv_" in focused
    await ingress.post("/Counter/ada/add", json=1)
    await tab.wait_for_text("Counter/ada/add", "tbody")
    assert await tab.js("document.activeElement.href") == focused
    await tab.press("k")
    assert await tab.js("document.activeElement.href") != focused


async def test_nothing_is_asked_for_while_nobody_looks(tab: Tab, ui: str) -> None:
    await tab.goto(f"{ui}/invocations")
    hidden = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true})"
    await tab.js(hidden % "true")
    settled = "new Promise((done) => setTimeout(done, 1200))"
    await tab.js(settled)
    asked = len(tab.requests)
    await tab.js(settled)
    assert len(tab.requests) == asked
    await tab.js(hidden % "false")
    await tab.js("document.dispatchEvent(new Event('visibilitychange'))")
    await tab.js(settled)
    assert len(tab.requests) > asked
