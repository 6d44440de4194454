"""The code of the guide to approvals runs as it stands, with replay at every await."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import restate
from agents import set_tracing_disabled

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "approvals.md"
LARGE = {"order": 23, "euros": 180}


@pytest.fixture
def guide() -> dict[str, Any]:
    """The names that the page's code defines, with a clerk whose model refunds 180 euros."""
    set_tracing_disabled(True)
    names: dict[str, Any] = {"__name__": "guide"}
    for source in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(source, PAGE.name, "exec"), names)
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


async def test_a_refund_waits_for_a_human(guide: dict[str, Any]) -> None:
    async with harness(guide["app"], always_replay=True) as h:
        invocation_id = await h.send("Refunds/handle", "Broken!")
        question = await announced(h, invocation_id)
        assert question["arguments"] == LARGE
        await h.resolve(question["awakeable_id"], {"approved": True})
        assert await h.attach(invocation_id) == "180 euros for order 23 are on their way"


async def test_a_state_that_is_stored_is_resumed_by_another_invocation(guide: dict[str, Any]) -> None:
    async with harness(restate.app([guide["desk"]]), always_replay=True) as h:
        assert [json.loads(each) for each in await h.call("Desk/7/complain", "Broken!")] == [LARGE]
        assert await h.call("Desk/7/decide", True) == "180 euros for order 23 are on their way"


async def test_a_handler_asks_a_human_itself(guide: dict[str, Any]) -> None:
    async with harness(restate.app([guide["desk_of_risk"]]), always_replay=True) as h:
        invocation_id = await h.send("Risk/check", "Ada")
        question = await announced(h, invocation_id)
        assert question["expires_at"] > question["asked_at"]
        await h.reject(question["awakeable_id"], "no such customer")
        assert await h.attach(invocation_id) == "sorry: no such customer"
