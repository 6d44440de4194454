"""The refund clerk waits for a human, over SIGKILLs, on the embedded engine and the real restate-server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from child_process import PERDURE
from engines import ENGINES, Engine, RestateServerWithEndpoint, engine, running

AGENT = Path(__file__).parents[2] / "examples" / "approvals" / "agent.py"
EACH_ENGINE = [
    pytest.param(name, marks=pytest.mark.restate if name == "restate-server" else ()) for name in ENGINES
]
SMALL, LARGE = "order 17: 20 euros", "order 23: 180 euros"
PAID = "20 euros for order 17 are on their way; 180 euros for order 23 are on their way"

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


class Desk:
    """The clerk, the bank, and a human at a command line."""

    def __init__(self, engine: Engine, bank: Path) -> None:
        self.engine = engine
        self.bank = bank
        self.http = httpx2.AsyncClient(timeout=30)

    @property
    def refunds(self) -> list[str]:
        return self.bank.read_text().splitlines() if self.bank.exists() else []

    async def complain(self) -> str:
        answer = await self.http.post(f"{self.engine.ingress_url}/Refunds/handle/send", json="Broken!")
        return str(answer.json()["invocationId"])

    async def answer(self, invocation_id: str) -> httpx2.Response:
        return await self.http.get(f"{self.engine.ingress_url}/restate/invocation/{invocation_id}/attach")

    async def approvals(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [PERDURE, "approvals", *arguments, "--admin", self.engine.admin_url]
        return await anyio.to_thread.run_sync(
            lambda: subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        )

    async def pending(self) -> list[dict[str, Any]]:
        listed = await self.approvals("list", "--json")
        assert listed.returncode == 0, listed.stderr
        rows: list[dict[str, Any]] = json.loads(listed.stdout)
        return rows

    async def question(self, invocation_id: str) -> dict[str, Any]:
        """The one question of an invocation, once it is asked."""
        with anyio.fail_after(30):
            while True:
                mine = [row for row in await self.pending() if row["invocation_id"] == invocation_id]
                if mine:
                    assert len(mine) == 1
                    return mine[0]

    async def decide_by_hand(self, approval_id: str, body: str, verb: str = "resolve") -> None:
        response = await self.http.post(
            f"{self.engine.ingress_url}/restate/awakeables/{approval_id}/{verb}",
            content=body,
            headers={"content-type": "application/json" if verb == "resolve" else "text/plain"},
        )
        assert response.status_code == 202, response.text


@pytest.fixture(scope="module", params=EACH_ENGINE)
async def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    directory = tmp_path_factory.mktemp("refunds")
    bank = directory / "refunds.txt"
    async with running(
        engine(request.param, str(AGENT), directory, env={"REFUNDS_FILE": str(bank)})
    ) as service:
        desk = Desk(service, bank)
        yield desk
        await desk.http.aclose()


@pytest.fixture
def desk(opened: Desk) -> Desk:
    """On the morning of a new day: no refunds yet."""
    opened.bank.unlink(missing_ok=True)
    return opened


async def test_a_human_approves_on_the_command_line_and_a_decision_counts_once(desk: Desk) -> None:
    invocation_id = await desk.complain()
    question = await desk.question(invocation_id)
    assert desk.refunds == [SMALL], "what needs no approval is done"
    assert (question["tool"], question["arguments"]) == ("refund", {"order": 23, "euros": 180})
    assert (question["target"], question["agent"]) == ("Refunds/handle", "RefundClerk")
    listed, call = (await desk.approvals("list")).stdout.splitlines()
    assert listed.startswith(f"{question['id']}  Refunds/handle")
    assert call == '    RefundClerk: refund {"order": 23, "euros": 180}'

    approved = await desk.approvals("approve", question["id"], "--by", "ada", "--note", "seen the photo")
    assert approved.returncode == 0, approved.stderr
    assert approved.stdout == f"approved refund of Refunds/handle {invocation_id}\n"
    assert (await desk.answer(invocation_id)).json() == PAID
    assert desk.refunds == [SMALL, LARGE]

    assert await desk.pending() == []
    again = await desk.approvals("reject", question["id"], "--by", "bob")
    assert again.returncode == 1
    assert "already decided: approved at 20" in again.stderr
    assert "by ada: seen the photo" in again.stderr


async def test_a_rejection_reaches_the_model(desk: Desk) -> None:
    invocation_id = await desk.complain()
    question = await desk.question(invocation_id)
    rejected = await desk.approvals("reject", question["id"], "--message", "ask for a photo")
    assert rejected.returncode == 0, rejected.stderr
    answer = await desk.answer(invocation_id)
    assert answer.json() == "20 euros for order 17 are on their way; ask for a photo"
    assert desk.refunds == [SMALL]


async def test_a_run_that_is_restarted_behind_its_question_waits_for_an_answer_of_its_own(desk: Desk) -> None:
    """Its journal is a copy, and tells the id of the awakeable of the first run."""
    first = await desk.complain()
    asked = await desk.question(first)
    admin = f"{desk.engine.admin_url}/invocations/{first}"
    assert (await desk.http.patch(f"{admin}/kill")).is_success
    await desk.answer(first)  # that it was killed
    found = await desk.http.post(
        f"{desk.engine.admin_url}/query",
        json={"query": f"SELECT index FROM sys_journal WHERE id = '{first}' AND name LIKE 'approval %'"},
        headers={"accept": "application/json"},
    )
    (row,) = found.json()["rows"]
    restarted = await desk.http.patch(f"{admin}/restart-as-new", params={"from": row["index"]})
    second = restarted.json()["new_invocation_id"]

    question = await desk.question(second)
    assert question["id"] != asked["id"]
    assert question["arguments"] == asked["arguments"]
    approved = await desk.approvals("approve", question["id"], "--by", "ada")
    assert approved.returncode == 0, approved.stderr
    assert (await desk.answer(second)).json() == PAID
    again = await desk.approvals("reject", question["id"], "--by", "bob")
    assert "already decided: approved at 20" in again.stderr


async def test_one_http_call_decides_and_a_bad_one_is_asked_again(desk: Desk) -> None:
    invocation_id = await desk.complain()
    first = await desk.question(invocation_id)
    await desk.decide_by_hand(first["id"], '{"approve": true}')
    with anyio.fail_after(30):
        while (second := await desk.question(invocation_id))["id"] == first["id"]:
            pass
    assert "approved: Field required" in second["problem"]
    assert desk.refunds == [SMALL], "a typing error is no approval"
    told = await desk.approvals("approve", first["id"])
    assert told.returncode == 1
    assert "already answered, but by no decision" in told.stderr
    await desk.decide_by_hand(second["id"], '{"approved": true}')
    await desk.decide_by_hand(second["id"], '{"approved": false}')  # too late to have an effect
    assert (await desk.answer(invocation_id)).json() == PAID


@pytest.mark.crash
async def test_the_process_is_killed_while_it_waits_and_right_after_the_decision(desk: Desk) -> None:
    invocation_id = await desk.complain()
    question = await desk.question(invocation_id)
    await desk.engine.restart()
    assert await desk.question(invocation_id) == question, "the same question, asked once"
    await desk.decide_by_hand(question["id"], '{"approved": true}')
    await desk.engine.restart()
    assert (await desk.answer(invocation_id)).json() == PAID
    assert desk.refunds[0] == SMALL
    assert set(desk.refunds[1:]) == {LARGE}
    assert len(desk.refunds) <= 3, "only what was cut off before its record ran again"
    journal = json.loads((await desk.approvals("list", "--json")).stdout)
    assert journal == []


@pytest.mark.crash
@pytest.mark.restate
@pytest.mark.parametrize("opened", ["restate-server"], indirect=True)
async def test_a_decision_that_comes_while_no_handler_runs_is_kept(desk: Desk) -> None:
    service = desk.engine
    assert isinstance(service, RestateServerWithEndpoint)
    invocation_id = await desk.complain()
    question = await desk.question(invocation_id)
    service.endpoint.kill()
    await desk.decide_by_hand(question["id"], '{"approved": true}')
    service.server.kill()
    await service.server.start()
    await service.endpoint.start()
    assert (await desk.answer(invocation_id)).json() == PAID
    assert desk.refunds == [SMALL, LARGE]


async def test_a_cancelled_invocation_asks_nobody(desk: Desk) -> None:
    invocation_id = await desk.complain()
    question = await desk.question(invocation_id)
    await desk.http.patch(f"{desk.engine.admin_url}/invocations/{invocation_id}/cancel")
    assert (await desk.answer(invocation_id)).status_code == 409
    assert await desk.pending() == []
    late = await desk.approvals("approve", question["id"])
    assert late.returncode == 1
    assert f"too late: {invocation_id} has ended" in late.stderr
    assert desk.refunds == [SMALL]


async def test_ids_that_are_none_are_told_so(desk: Desk) -> None:
    bad = await desk.approvals("approve", "sign_nonsense")
    assert bad.returncode != 0
    assert "bad awakeable id 'sign_nonsense'" in bad.stderr
