"""The approvals inbox in a real browser: agents wait for it, and go on when somebody has decided."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import clerks
import httpx2
import pytest
from chromium import Screenshot, Tab

from perdure.errors import RequestError
from perdure.inspection import approvals
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.decisions import decide


@pytest.fixture(scope="module")
def app() -> Any:
    return clerks.app


class Runs:
    """Runs that wait for a human."""

    def __init__(self, ingress: httpx2.AsyncClient, api: AdminApi) -> None:
        self._ingress, self.api = ingress, api
        self.started: list[str] = []

    async def start(self, handler: str, argument: object) -> str:
        """The id of the approval that it waits for."""
        sent = (await self._ingress.post(f"/Refunds/{handler}/send", json=argument)).json()["invocationId"]
        self.started.append(sent)
        async with asyncio.timeout(20):
            while True:
                for each in await approvals.pending(self.api):
                    if each.invocation_id == sent:
                        return each.id
                await asyncio.sleep(0.05)

    async def result(self) -> Any:
        """Of the last one."""
        return (await self._ingress.get(f"/restate/invocation/{self.started[-1]}/attach")).json()

    async def kill(self) -> None:
        for each in self.started:
            with suppress(RequestError):  # it has ended
                await self.api.change(each, "kill")


@pytest.fixture
async def runs(ingress: httpx2.AsyncClient, api: AdminApi) -> AsyncIterator[Runs]:
    runs = Runs(ingress, api)
    yield runs
    await runs.kill()


def card(approval: str) -> str:
    return f"[id='{approval}']"


async def test_a_new_question_appears_by_itself_and_approving_it_resumes_the_run(
    tab: Tab, ui: str, runs: Runs, screenshot: Screenshot
) -> None:
    await tab.goto(f"{ui}/approvals")
    await tab.wait_for_text("Nothing waits for approval")
    await screenshot(tab, "approvals-empty")

    approval = await runs.start("handle", 180.10)
    await tab.wait_for_text("refund", card(approval))
    await tab.wait_for_text('"euros": 180.1', card(approval))
    await tab.wait_for_text("RefundClerk", card(approval))
    await tab.wait_for_text("1", "nav .count")

    await tab.type("Ada", into="#by")
    await tab.press("Tab")
    await tab.wait_for_text("You decide as Ada", "#announce")
    await tab.type("seen the photo", into=f"{card(approval)} textarea")
    await tab.click(f"{card(approval)} button[value=approve]", leads_on=True)
    await tab.wait_for_text("Approved: refund of Refunds/handle", ".banner.done")
    assert await runs.result() == "180.1 euros for order 23 are on their way"
    await tab.wait_for_text("seen the photo", "#recent")
    await tab.wait_for_text("Ada", "#recent")
    await tab.wait_for("document.querySelector('nav .count').hidden")


async def test_a_rejection_tells_the_model_why(tab: Tab, ui: str, runs: Runs) -> None:
    approval = await runs.start("handle", 20)
    await tab.goto(f"{ui}/approvals")
    await tab.type("ask for\na photo first", into=f"{card(approval)} textarea")
    await tab.click(f"{card(approval)} input[name=always]")
    await tab.click(f"{card(approval)} button[value=reject]", leads_on=True)
    await tab.wait_for_text("Rejected: refund", ".banner.done")
    assert await runs.result() == "ask for\na photo first"
    await tab.wait_for_text("rejected, always", "#recent")


async def test_the_second_to_decide_is_told_who_was_faster(
    tab: Tab, ui: str, runs: Runs, api: AdminApi
) -> None:
    approval = await runs.start("handle", 20)
    # A page that does not follow: as one whose owner clicks in the same moment.
    await tab.goto(f"{ui}/approvals")
    await tab.js("document.querySelectorAll('[data-live]').forEach((each) => delete each.dataset.live)")
    await tab.js("document.getElementById('waiting').id = 'kept'")
    await decide(api, approval, approved=True, by="Grace")
    await tab.click(f"{card(approval)} button[value=reject]", leads_on=True)
    await tab.wait_for_text("already decided: approved at", "#main")
    await tab.wait_for_text("by Grace", "#main")
    assert await runs.result() == "20.0 euros for order 23 are on their way"


async def test_what_another_decided_leaves_by_itself_and_what_is_being_typed_stays(
    tab: Tab, ui: str, runs: Runs, api: AdminApi
) -> None:
    first, second = await runs.start("handle", 1), await runs.start("handle", 2)
    await tab.goto(f"{ui}/approvals")
    ids = "[...document.querySelectorAll('.approval')].map((each) => each.id)"
    assert await tab.js(ids) == [first, second]
    await tab.type("half a sen", into=f"{card(second)} textarea")
    await decide(api, first, approved=False, by="Grace")
    await tab.wait_for(f'!document.querySelector("{card(first)}")')
    await tab.wait_for_text("Grace", "#recent")
    await tab.type("tence")
    assert await tab.js(f'document.querySelector("{card(second)} textarea").value') == "half a sentence"


async def test_enter_in_the_message_decides_nothing(tab: Tab, ui: str, runs: Runs, api: AdminApi) -> None:
    approval = await runs.start("handle", 1)
    await tab.goto(f"{ui}/approvals")
    await tab.type("no", into=f"{card(approval)} textarea")
    await tab.press("Enter")
    await tab.wait_for(f"document.querySelector(\"{card(approval)} textarea\").value === 'no\\n'")
    assert (await approvals.find(api, approval)).status == "pending"  # type: ignore[union-attr]


async def test_a_question_of_a_handlers_own_code(
    tab: Tab, ui: str, runs: Runs, screenshot: Screenshot
) -> None:
    approval = await runs.start("open_account", "Mallory")
    await runs.start("within", 3_600_000)
    await runs.start("handle", 1250.5)
    await tab.goto(f"{ui}/approvals")
    await tab.wait_for_text("open account", card(approval))
    await tab.wait_for_text("The name is on a list.", card(approval))
    await tab.wait_for_text("asked by the handler's own code", card(approval))
    await tab.wait_for_text("in 59 min")
    await screenshot(tab, "approvals")
    await tab.click(f"{card(approval)} button[value=approve]", leads_on=True)
    await tab.wait_for_text("Approved: open account", ".banner.done")


async def test_arguments_that_mean_harm_are_shown_and_do_none(
    tab: Tab, ui: str, runs: Runs, screenshot: Screenshot
) -> None:
    approval = await runs.start("hostile", 1_000_000)
    await tab.goto(f"{ui}/approvals")
    await tab.wait_for_text('<img src=x onerror=\\"document.title=1\\"><script>', card(approval))
    shown = await tab.js(f'document.querySelector("{card(approval)}").innerText')
    assert "␦evil" in shown
    assert "{{ 7*7 }}" in shown
    assert '"euros": 1e+22' in shown
    assert await tab.js("document.title") == "Approvals · Perdure"
    await tab.wait_for_text("This is not all of it", card(approval))
    await screenshot(tab, "approvals-hostile")
    whole = await tab.js(
        f'fetch(document.querySelector("{card(approval)} .banner a").href).then(async (got) => '
        "[got.headers.get('content-type'), got.headers.get('x-content-type-options'), await got.text()])"
    )
    assert whole[:2] == ["text/plain; charset=utf-8", "nosniff"]
    assert json.loads(whole[2])["note"] == clerks.HOSTILE + "x" * 1_000_000


async def test_of_very_many_those_that_wait_longest_are_shown(
    ui: str, tab: Tab, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.ui.approvals.WAITING_SHOWN_MAX", 1)
    first, second = await runs.start("handle", 412), await runs.start("handle", 413)
    await tab.goto(f"{ui}/approvals")
    await tab.wait_for_text("1 more wait")
    assert await tab.js("[...document.querySelectorAll('article.approval')].map(each => each.id)") == [first]
    await decide(runs.api, first, approved=True)
    await tab.wait_for(f"document.getElementById('{second}') && !document.getElementById('waiting-more')")
