"""The code of the guide to approvals runs as it stands, with replay at every await."""

from __future__ import annotations

import json
from typing import Any

import pytest
import restate
from page_shell import PageShell
from pages import ROOT, executed, page

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

APPROVALS = page("docs/guide/approvals.md", "agent decide http returned asked")
LARGE = {"order": 23, "euros": 180}


def test_a_human_decides_by_the_command_line_and_over_http(shell: PageShell) -> None:
    """About what the example asks, whose agent is that of the guide."""

    def complaint() -> None:
        shell.do("curl localhost:8080/Refunds/handle/send --json '\"Broken!\"'")
        shell.until("perdure approvals list", "refund")

    def outcome() -> str:
        return shell.until("perdure invocations list --limit 1 --json", '"result_preview": "')

    shell.do(f"perdure up {ROOT}/examples/approvals/agent.py")
    complaint()
    shell.run(APPROVALS.decide, before={"perdure approvals reject": complaint})
    assert "ask for a photo first" in outcome()
    complaint()
    shell.run(APPROVALS.http)
    assert "180 euros for order 23" in outcome()


@pytest.fixture
def guide() -> dict[str, Any]:
    """The names that the page's code defines, with a clerk whose model refunds 180 euros."""
    names = executed(APPROVALS.agent, APPROVALS.returned, APPROVALS.asked)
    names["clerk"].model = ScriptedModel([ToolCall("refund", LARGE), lambda items: items[-1]["output"]])
    return names


async def announced(h: Any, invocation_id: str) -> dict[str, Any]:
    """The one question of an invocation, once it waits for nothing else."""
    await h.settle()
    (value,) = {
        entry["value_preview"]
        for entry in await h.journal(invocation_id)
        if "awakeable_id" in entry.get("value_preview", "")
    }
    announcement: dict[str, Any] = json.loads(value)["ok"]
    return announcement


@pytest.mark.anyio
async def test_a_refund_waits_for_a_human(guide: dict[str, Any]) -> None:
    async with harness(guide["app"], always_replay=True) as h:
        invocation_id = await h.send("Refunds/handle", "Broken!")
        question = await announced(h, invocation_id)
        assert question["arguments"] == LARGE
        await h.resolve(question["awakeable_id"], {"approved": True})
        assert await h.attach(invocation_id) == "180 euros for order 23 are on their way"


@pytest.mark.anyio
async def test_a_state_that_is_stored_is_resumed_by_another_invocation(guide: dict[str, Any]) -> None:
    async with harness(restate.app([guide["desk"]]), always_replay=True) as h:
        assert [json.loads(each) for each in await h.call("Desk/7/complain", "Broken!")] == [LARGE]
        assert await h.call("Desk/7/decide", True) == "180 euros for order 23 are on their way"


@pytest.mark.anyio
async def test_a_handler_asks_a_human_itself(guide: dict[str, Any]) -> None:
    async with harness(restate.app([guide["desk_of_risk"]]), always_replay=True) as h:
        invocation_id = await h.send("Risk/check", "Ada")
        question = await announced(h, invocation_id)
        assert question["expires_at"] > question["asked_at"]
        await h.reject(question["awakeable_id"], "no such customer")
        assert await h.attach(invocation_id) == "sorry: no such customer"
