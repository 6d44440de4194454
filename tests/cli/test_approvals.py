"""`perdure approvals`, asked of a running engine. Its handlers announce by themselves, as agents do."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from perdure.cli import approvals
from perdure.errors import RequestError
from perdure.inspection import decisions
from perdure.inspection.approvals import Decision
from perdure.inspection.awakeables import resolve_awakeable
from perdure.openai import Decision as DecisionOfRuns
from perdure.protocol.ids import derived_invocation_id, encode_awakeable_id

CLERK = """
import restate

service = restate.Service("Clerk")


@service.handler()
async def ask(ctx: restate.Context, announcement: dict) -> str:
    awakeable_id, answer = ctx.awakeable()
    await ctx.run_typed("call LLM", lambda: {"ok": "much else"})
    value = {"ok": {"tool": "pay", "asked_at": "2026-01-01T00:00:00.000+00:00", **announcement}}
    if "awakeable_id" not in announcement:
        value["ok"]["awakeable_id"] = awakeable_id
    await ctx.run_typed("approval pay", lambda: value)
    return str(await answer)


app = restate.app([service])
"""


class Office:
    """A running engine, and the command line next to it."""

    def __init__(self, ingress: str, admin: str, perdure: Callable[..., Any]) -> None:
        self.ingress, self.admin, self._perdure = ingress, admin, perdure

    def ask(self, **announcement: Any) -> str:
        """The id of the approval that a new invocation waits for."""
        sent = httpx2.post(f"{self.ingress}/Clerk/ask/send", json=announcement, timeout=20).json()
        deadline = time.monotonic() + 20
        while self._steps(sent["invocationId"]) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (mine,) = [row["id"] for row in self.pending() if row["invocation_id"] == sent["invocationId"]] or [
            ""
        ]
        return mine

    def _steps(self, invocation_id: str) -> int:
        journal = httpx2.get(f"{self.admin}/invocations/{invocation_id}").json()["journal"]
        return sum(entry["entry_type"] == "Notification: Run" for entry in journal)

    def approvals(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        done: subprocess.CompletedProcess[str] = self._perdure(
            "approvals", *arguments, "--admin", self.admin, **environment
        )
        return done

    def pending(self) -> list[dict[str, Any]]:
        listed = self.approvals("list", "--json")
        assert listed.returncode == 0, listed.stderr
        rows: list[dict[str, Any]] = json.loads(listed.stdout)
        return rows


@pytest.fixture
def office(folder: Path, start_perdure: Callable[..., Any], perdure: Callable[..., Any]) -> Office:
    (folder / "clerk.py").write_text(CLERK)
    server = start_perdure("up", "clerk.py", "--ingress", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    said = dict(line.split(maxsplit=1) for line in server.wait_for_output("try ").splitlines()[1:])
    return Office(said["ingress"].strip(), said["admin"].strip(), perdure)


def test_nothing_waits(office: Office) -> None:
    assert office.approvals("list").stdout == "nothing waits for approval\n"
    assert office.pending() == []


def test_list_shows_the_oldest_question_first_and_its_call_whole(office: Office) -> None:
    young = office.ask(
        asked_at="2026-02-01T00:00:00.000+00:00", arguments={"to": "x" * 300}, reason="nobody knows"
    )
    old = office.ask(agents=["Boss", "Clerk"], arguments={"to": "Ada", "euros": 5})
    first, call, second, long_call = office.approvals("list", COLUMNS="80").stdout.splitlines()
    assert first.startswith(f"{old}  Clerk/ask  ")
    assert call == '    Boss > Clerk: pay {"to": "Ada", "euros": 5}'
    assert second.startswith(young)
    assert long_call == f'    pay {{"to": "{"x" * 300}"}}; nobody knows'


def test_of_two_who_decide_at_once_one_is_told_that_it_was_too_late(office: Office) -> None:
    approval = office.ask()
    with ThreadPoolExecutor() as people:
        decisions = [
            people.submit(office.approvals, verb, approval, "--by", verb) for verb in ("approve", "reject")
        ]
        done = [decision.result() for decision in decisions]
    assert sorted(each.returncode for each in done) == [0, 1]
    (lost,) = [each for each in done if each.returncode]
    (won,) = [each for each in done if not each.returncode]
    verb = won.stdout.split()[0]
    assert f"already decided: {verb} at " in lost.stderr
    assert lost.stderr.strip().endswith("by approve" if verb == "approved" else "by reject")


def test_a_decision_that_came_second_is_not_called_taken(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = office.ask()

    async def after_a_rival(ingress: str, awakeable_id: str, body: bytes) -> None:
        await resolve_awakeable(ingress, awakeable_id, b'{"approved": false, "by": "a rival"}')
        await resolve_awakeable(ingress, awakeable_id, body)

    monkeypatch.setattr(decisions, "resolve_awakeable", after_a_rival)
    with pytest.raises(RequestError, match=r"already decided: rejected at .* by a rival"):
        approvals.approve([approval], admin=office.admin)


def test_several_are_decided_by_one_command(office: Office) -> None:
    ids = [office.ask(), office.ask()]
    assert office.approvals("approve", *ids).stdout.count("approved pay of Clerk/ask inv_") == 2
    assert office.pending() == []


def test_what_has_expired_is_not_pending(office: Office) -> None:
    assert office.ask(expires_at="2026-01-02T00:00:00.000+00:00") == ""
    assert office.ask(expires_at="2999-01-02T00:00:00.000+00:00") != ""


def test_what_only_looks_like_an_announcement_is_left_out(office: Office) -> None:
    assert office.ask(tool=None) == ""
    assert office.ask(awakeable_id="sign_nonsense") == ""
    assert office.ask() != ""


def test_an_ingress_that_does_not_answer_is_told(office: Office) -> None:
    approval = office.ask()
    told = office.approvals("approve", approval, "--ingress", "127.0.0.1:1")
    assert told.returncode == 3
    assert "cannot reach the engine's ingress at http://127.0.0.1:1" in told.stderr
    assert len(office.pending()) == 1


def test_an_unknown_id_is_told(office: Office) -> None:
    told = office.approvals("approve", encode_awakeable_id(derived_invocation_id("of nobody"), 17))
    assert told.returncode == 1
    assert "no approval 'sign_1" in told.stderr


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"true", b"{}", b'{"approved": 1}', b'{"approved": true, "always": "no"}', b"\xff"),
        *(b'{"approved": true}', b'{"approved": false, "message": null, "by": "x", "more": 1}'),
    ],
)
def test_the_command_line_takes_for_a_decision_what_a_run_does(body: bytes) -> None:
    def read(model: Any) -> Any:
        try:
            return model.model_validate_json(body).model_dump()
        except ValidationError:
            return None

    assert read(Decision) == read(DecisionOfRuns)
