"""The page of one invocation in a real browser, against a live engine with running agents."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import press_room
import pytest
from chromium import Screenshot, Tab

from perdure.inspection.admin_api import AdminApi
from perdure.inspection.approvals import pending
from perdure.inspection.decisions import decide
from perdure.inspection.invocation_list import invocation

BANNER = "main > .banner:not([hidden])"


@pytest.fixture(scope="module")
def app() -> Any:
    return press_room.app


async def sent(ingress: httpx2.AsyncClient, path: str, body: object) -> str:
    """The id of a new invocation."""
    answer = await ingress.post(f"{path}/send", json=body)
    return str(answer.json()["invocationId"])


async def opened(tab: Tab, ui: str, invocation_id: str, status: str) -> None:
    """Its page, once it says that status."""
    await tab.goto(f"{ui}/invocations/{invocation_id}")
    await tab.wait_for_text(status, "#invocation-status")
    if status == "succeeded":
        await tab.wait_for("document.querySelector('#journal > .lines > .steps > .output')")


async def rows(tab: Tab) -> list[str]:
    """The tree as text, two blanks a level: the titles of what is shown."""
    told = await tab.js(
        """[...document.querySelectorAll("#journal > .lines > .steps > .step")].map(row =>
        "  ".repeat(row.dataset.depth) + row.querySelector(".title").textContent)"""
    )
    return list(told)


async def lane(tab: Tab, title: str) -> dict[str, float]:
    """Where the bars of a row lie on the screen: `left` and `right`, in pixels."""
    box = await tab.js(
        f"""(() => {{ const row = [...document.querySelectorAll(".step")].find(row =>
        row.querySelector(".title").textContent === {json.dumps(title)});
        const boxes = [...row.querySelectorAll(".bar")].map(bar => bar.getBoundingClientRect());
        return {{ left: Math.min(...boxes.map(b => b.left)),
            right: Math.max(...boxes.map(b => b.right)) }}; }})()"""
    )
    return dict(box)


async def test_a_run_of_agents_is_read_as_a_tree(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    await opened(tab, ui, await sent(ingress, "/Press/write", "tide"), "succeeded")
    shown = await rows(tab)
    assert [row for row in shown if not row.startswith("    ")] == [
        "input",
        "Editor",
        "  search_archive",
        "  ask_bureau",
        "  pause before the next try",
        "  ask_bureau",
        "  check_facts",
        "  ask_critic",
        "Editor",
        "Editor hands over to Publisher",
        "Publisher",
        "output",
    ]
    facts, critic = shown.index("  check_facts"), shown.index("  ask_critic")
    assert shown[facts + 1 : facts + 3] == ["    check the moon pulls", "    check the sun rests"]
    assert shown[critic + 1 : critic + 4] == ["    Critic", "      search_archive", "    Critic"]
    at_once = [await lane(tab, title) for title in ("search_archive", "check_facts", "ask_critic")]
    assert max(box["left"] for box in at_once) < min(box["right"] for box in at_once), "parallel bars"
    text = await tab.js("document.querySelector('.step.model').innerText")
    assert all(part in text for part in ("Editor", "press-1", "$0.00", "search_archive, ask_bureau"))
    totals = await tab.js("document.getElementById('totals').innerText.replace(/\\s+/g, ' ')")
    assert "Model calls 5" in totals
    assert "Failed tries 1" in totals
    assert "$0.0" in totals
    await screenshot(tab, "invocation-agents")


async def test_a_step_opens_in_place(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    run = await sent(ingress, "/Press/write", "moon")
    await opened(tab, ui, run, "succeeded")
    before = len([url for url in tab.requests if "/steps/" in url])
    assert before == 0, "the details of a step are fetched when it is opened"
    await tab.click(".step.model summary")
    await tab.wait_for_text("Reasoning", ".step.model")
    assert press_room.THOUGHT not in await tab.js("document.querySelector('.step.model').innerText")
    await tab.js("[...document.querySelectorAll('.part > summary')][0].click()")
    await tab.wait_for_text(press_room.THOUGHT, ".step.model")
    await tab.click(".step.tool summary")
    await tab.wait_for_text("Arguments of search_archive", ".step.tool")
    kinds = await tab.js(
        """["string", "number", "constant", "key"].map(kind =>
        document.querySelector(`.step.tool .json-${kind}`)?.textContent)"""
    )
    assert kinds == ['"tide"', "3", "false", "words"]
    for is_shown in (False, True):
        await tab.js("document.querySelector('.step.tool .json-tree summary').click()")
        assert await tab.js("document.querySelector('.step.tool .json-inner').checkVisibility()") == is_shown
    await screenshot(tab, "invocation-step")


async def test_an_approval_is_decided_in_place(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    run = await sent(ingress, "/Press/print", "the evening edition")
    await tab.goto(f"{ui}/invocations/{run}")
    await tab.wait_for_text("Waits for a decision", ".steps")
    await tab.wait_for_text("5000", ".step.approval")
    assert await tab.js("document.querySelector('.step.approval .bar.wait.lasts') !== null")
    assert await tab.js("document.querySelector('#overlay .now') !== null")
    await screenshot(tab, "invocation-approval")
    await tab.click(".decide .primary", leads_on=True)
    await tab.wait_for_text("Approved", BANNER)
    await tab.wait_for_text("succeeded", "#invocation-status")
    await tab.wait_for_text("approved", ".step.approval")
    await tab.wait_for_text("5000 copies are out", ".steps")


async def test_what_it_called_is_read_in_place(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    run = await sent(ingress, "/Press/dispatch", "stars")
    await opened(tab, ui, run, "succeeded")
    assert await rows(tab) == ["input", "sleep", "Press/write", "NewsDesk/evening/file", "output"]
    await tab.click(".step.call summary")
    await tab.wait_for_text("Editor hands over to Publisher", ".child")
    called, child = await lane(tab, "Press/write"), await lane(tab, "Editor")
    assert called["left"] <= child["left"] < child["right"] <= called["right"] + 3, "one time line"
    await screenshot(tab, "invocation-child")
    await tab.click(".step.call .child > p a", leads_on=True)
    await tab.wait_for_text("Called by", "#invocation-facts")
    await tab.click("#invocation-facts a[title^=inv]", leads_on=True)
    await tab.wait_for_text("Press/dispatch", "h1")


async def test_words_are_read_as_they_are_spoken(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    run = await sent(ingress, "/Press/tell", "a story")
    await tab.goto(f"{ui}/invocations/{run}")
    # words come before the row of the call that they belong to, too
    for said in ("Once", "Once upon", "Once upon a"):
        press_room.speaker.words.release()
        await tab.wait_for(
            f"document.querySelector('#live-text p').textContent.trim() === {json.dumps(said)}"
        )
    assert await tab.js("!document.getElementById('live-text').hidden")
    await screenshot(tab, "invocation-speaking")
    for _ in range(20):
        press_room.speaker.words.release()
    await tab.wait_for_text("succeeded", "#invocation-status")
    await tab.wait_for("document.getElementById('live-text').hidden")
    await tab.wait_for_text("Once upon a time there was a tide.", ".step.model")


async def test_attempts_that_failed_tell_why(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    run = await sent(ingress, "/Stumbling/fall", "a banana skin")
    await opened(tab, ui, run, "paused")
    await tab.wait_for_text("Attempts that failed", "#failed-attempts")
    await tab.wait_for("document.querySelectorAll('#failed-attempts li').length >= 3")
    assert await tab.js("document.querySelectorAll('#overlay .failure').length") >= 3
    await tab.click("#failed-attempts summary")
    await tab.wait_for_text("raise ValueError(f", "#failed-attempts")
    await tab.wait_for_text("a banana skin", "#invocation-facts")
    await screenshot(tab, "invocation-failing")


async def test_what_waits_for_its_object_says_so(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot, api: AdminApi
) -> None:
    holder = await sent(ingress, "/NewsDesk/morning/hold", 3600)
    run = await sent(ingress, "/NewsDesk/morning/file", "late")
    await opened(tab, ui, run, "pending")
    await tab.wait_for_text("waits for its turn", ".step.input")
    assert await tab.js("document.querySelector('.step.input .bar.queue.lasts') !== null")
    await screenshot(tab, "invocation-pending")
    await opened(tab, ui, holder, "running")
    await tab.wait_for_text("until 20", ".step.sleep")
    await screenshot(tab, "invocation-asleep")
    await tab.goto(f"{ui}/invocations/{run}")
    await api.change(holder, "kill")
    await tab.wait_for_text("succeeded", "#invocation-status")
    await tab.wait_for_text("filed", ".step.state")


async def test_a_terminal_failure_is_the_result(tab: Tab, ui: str, ingress: httpx2.AsyncClient) -> None:
    await opened(tab, ui, await sent(ingress, "/Press/refuse", "out of paper"), "failed")
    await tab.wait_for_text("[422] out of paper", "#in-out .failed")


async def test_the_time_line_zooms(tab: Tab, ui: str, ingress: httpx2.AsyncClient) -> None:
    await opened(tab, ui, await sent(ingress, "/Press/write", "zoom"), "succeeded")
    whole = await lane(tab, "search_archive")
    ticks = await tab.js("document.getElementById('axis').innerText")
    await tab.click("[data-zoom=in]")
    near = await lane(tab, "search_archive")
    assert near["right"] - near["left"] == pytest.approx(2 * (whole["right"] - whole["left"]), rel=0.02)
    assert await tab.js("document.getElementById('axis').innerText") != ticks
    await tab.click("[data-zoom=later]")
    assert (await lane(tab, "search_archive"))["left"] < near["left"]
    await tab.click("[data-zoom=all]")
    assert await lane(tab, "search_archive") == whole
    await tab.js("document.getElementById('true-scale').click()")
    assert await tab.js("document.querySelectorAll('#overlay .break').length") == 0


async def test_a_page_that_is_open_follows_the_run(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi
) -> None:
    """Rows that are settled stay the same objects, and are not sent again."""
    run = await sent(ingress, "/Press/print", "follow")
    await tab.goto(f"{ui}/invocations/{run}")
    await tab.wait_for_text("Waits for a decision", ".steps")
    await tab.js(
        "(globalThis.first = document.querySelector('.step.input')).querySelector('summary').click()"
    )
    await tab.wait_for_text("Entry", ".step.input")
    seen = len(tab.requests)
    [waiting] = [each for each in await pending(api) if each.invocation_id == run]
    await decide(api, waiting.id, approved=True)
    await tab.wait_for_text("succeeded", "#invocation-status")
    await tab.wait_for_text("It is out.", ".steps")
    await tab.wait_for("!document.querySelector('#journal .open, .decide')")
    assert await tab.js("first.isConnected && first.querySelector('details').open")
    fetched = [url for url in tab.requests[seen:] if "/rows?" in url]
    assert fetched
    assert all("from=0" not in url for url in fetched), "what is settled is not sent again"


# ---- what a person may do


async def done(tab: Tab, text: str, *, sure: bool = True) -> str:
    """Press a button of the heading, and answer its question; the question."""
    await tab.wait_for_text(text, "#invocation-actions")
    await tab.js(
        f"""[...document.querySelectorAll('#invocation-actions button')]
        .find(button => button.innerText.trim() === {text!r}).click()"""
    )
    question = str(await tab.wait_for("document.querySelector('#confirm[open] p')?.innerText"))
    if sure:
        await tab.click("#confirm-yes", leads_on=True)
    else:
        await tab.click("#confirm .button:not(.danger)")
        await tab.wait_for("!document.querySelector('#confirm[open]')")
    return question


async def test_pause_resume_cancel(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    run = await sent(ingress, "/Press/nap", 3600)
    await opened(tab, ui, run, "running")
    assert "done again when you resume" in await done(tab, "Pause", sure=False)
    assert "running" in await tab.js("document.getElementById('invocation-status').innerText")
    await done(tab, "Pause")
    await tab.wait_for_text(f"{run}: asked to pause", BANNER)
    await tab.wait_for_text("paused", "#invocation-status")
    await screenshot(tab, "invocation-paused")
    assert "newest deployment" in await done(tab, "Resume on the newest deployment")
    await tab.wait_for_text(f"{run}: resumed", BANNER)
    await tab.wait_for_text("running", "#invocation-status")
    assert "may clean up" in await done(tab, "Cancel")
    await tab.wait_for_text("failed", "#invocation-status")
    await tab.wait_for_text("asked to cancel", ".steps")
    await tab.wait_for_text("[409]", "#in-out")


async def test_what_was_asked_is_done_though_the_buttons_changed_meanwhile(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi
) -> None:
    for meanwhile, status in (("pause", "paused"), ("kill", "failed")):
        run = await sent(ingress, "/Press/nap", 3600)
        await opened(tab, ui, run, "running")
        await tab.js("document.querySelector('#invocation-actions form[action$=cancel] button').click()")
        await tab.wait_for("document.querySelector('#confirm[open]') !== null")
        await api.change(run, "pause" if meanwhile == "pause" else "kill")
        await tab.wait_for_text(status, "#invocation-status")
        await tab.click("#confirm-yes", leads_on=True)
        told = "asked to cancel" if meanwhile == "pause" else "has completed"
        await tab.wait_for(f"document.querySelector('{BANNER}')?.innerText.includes('{told}')")


async def test_kill_and_purge(tab: Tab, ui: str, ingress: httpx2.AsyncClient) -> None:
    run = await sent(ingress, "/Press/nap", 3600)
    await opened(tab, ui, run, "running")
    assert "does not get to clean up" in await done(tab, "Kill")
    await tab.wait_for_text("failed", "#invocation-status")
    await tab.wait_for_text("never ended", ".step.sleep")
    assert "for ever" in await done(tab, "Purge")
    await tab.wait_for_text(f"{run}: purged", BANNER)
    assert await tab.js("location.pathname") == "/ui/invocations"
    await tab.goto(f"{ui}/invocations/{run}")
    await tab.wait_for_text("No such invocation")
    tab.problems.clear()  # the console tells of the 404


async def test_restart_as_new_and_from_a_step(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi
) -> None:
    run = await sent(ingress, "/Press/write", "again")
    await opened(tab, ui, run, "succeeded")
    calls = len(press_room.editor.model.calls)  # type: ignore[union-attr]
    assert "same input" in await done(tab, "Restart as new")
    await tab.wait_for_text(f"restarted {run}", BANNER)
    again = str(await tab.js("location.pathname.split('/').at(-1)"))
    assert (await invocation(api, again)).restarted_from == run
    await tab.wait_for_text("Restarted from", "#invocation-facts")
    await tab.wait_for_text("succeeded", "#invocation-status")
    assert len(press_room.editor.model.calls) == calls + 2  # type: ignore[union-attr]

    await opened(tab, ui, run, "succeeded")
    await tab.click(".step.model summary")
    await tab.wait_for_text("Restart after this step", ".step.model")
    await tab.js(
        """[...document.querySelectorAll('.step.model button')]
        .find(button => button.innerText.includes('Restart after')).click()"""
    )
    await tab.wait_for_text("keeps what the journal has up to and with #1", "#confirm")
    await tab.click("#confirm-yes", leads_on=True)
    await tab.wait_for_text("succeeded", "#invocation-status")
    assert await tab.js("location.pathname.split('/').at(-1)") not in (run, again)
    assert len(press_room.editor.model.calls) == calls + 3, "the first answer was kept"  # type: ignore[union-attr]


async def test_a_refusal_is_told_in_the_words_of_the_engine(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, api: AdminApi
) -> None:
    """The page is older than what has become of the invocation."""
    run = await sent(ingress, "/Press/nap", 3600)
    await opened(tab, ui, run, "running")
    await tab.js(
        """globalThis.form = document.querySelector('form[action$=pause]').cloneNode(true);
        form.removeAttribute('data-confirm');
        form.insertAdjacentHTML('beforeend', '<input name=confirmed value=yes>');
        document.querySelector('main').append(form)"""
    )
    await api.change(run, "kill")
    await tab.click("main > form button", leads_on=True)
    await tab.wait_for_text("only one that runs can be paused", BANNER)


# ---- what is large, and what is hostile


async def test_a_long_journal_opens_without_freezing(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    steps = 2_500  # 5,000 entries and more
    run = str((await ingress.post("/Press/count/send", json=steps)).json()["invocationId"])
    await ingress.get(f"/restate/invocation/{run}/attach")
    await tab.goto(f"{ui}/invocations/{run}")
    await tab.wait_for("document.querySelectorAll('.step').length >= 500")
    opened_ms = await tab.js("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert opened_ms < 3_000
    longest_ms = await tab.js(
        """new Promise(done => { const all = []; new PerformanceObserver(list =>
        all.push(...list.getEntries())) .observe({ type: "longtask", buffered: true }); setTimeout(() =>
        done(Math.max(0, ...all.map(t => t.duration))), 500); })
        """
    )
    assert longest_ms < 500
    assert await tab.js("document.querySelectorAll('.step').length") < 1_100
    scrolled = "(document.querySelector('#more').scrollIntoView(), document.querySelector('.step.output'))"
    await tab.wait_for(f"{scrolled} !== null", 30)
    titles = await rows(tab)
    assert len(titles) == steps + 2
    assert len(set(titles)) == len(titles)
    drawn_ms = await tab.js(
        """(() => { const began = performance.now(); document.getElementById('true-scale').click();
        return performance.now() - began; })()"""
    )
    assert drawn_ms < 500, "the bars of all of them, which a run that goes on has drawn each second"


async def test_hostile_words_are_shown_and_harm_nothing(
    tab: Tab, ui: str, ingress: httpx2.AsyncClient, screenshot: Screenshot
) -> None:
    text = f"{press_room.HOSTILE}\u202egnp.exe\x00 " + "x" * 1_000_000
    await opened(tab, ui, await sent(ingress, "/Press/relay", text), "succeeded")
    await tab.click(".step.run summary")
    await tab.wait_for_text("Show all 1.", ".step.run")
    assert await tab.js("document.title") != "owned"
    assert await tab.js("document.querySelectorAll('#journal img, #journal script, #in-out img').length") == 0
    assert await tab.js("document.body.innerHTML.length") < 200_000
    assert "\u202e" not in await tab.js("document.body.innerText")
    await screenshot(tab, "invocation-hostile")
    link = await tab.js("document.querySelector('.step.run a[href$=value]').href")
    async with httpx2.AsyncClient() as client:
        whole = await client.get(link)
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert len(whole.content) > 1_000_000


async def test_without_scripts_it_is_all_there(ui: str, ingress: httpx2.AsyncClient) -> None:
    run = await sent(ingress, "/Press/write", "plain")
    await ingress.get(f"/restate/invocation/{run}/attach")
    async with httpx2.AsyncClient() as client:
        html = (await client.get(f"{ui}/invocations/{run}")).text
        assert "Editor hands over to Publisher" in html
        step = (await client.get(f"{ui}/invocations/{run}/steps/1")).text
        assert "<!doctype html>" in step
        assert press_room.THOUGHT in step
        asked = await client.post(
            f"{ui}/invocations/{run}/purge", data={}, headers={"origin": ui.removesuffix("/ui")}
        )
        assert "for ever" in asked.text
