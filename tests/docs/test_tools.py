"""The code in the guide to tools runs as it stands, with replay at every await."""

from __future__ import annotations

import pytest
from pages import executed, page

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

TOOLS = page("docs/guide/tools.md", "agent")


async def test_a_trip_is_planned_with_tools_of_each_kind() -> None:
    names = executed(TOOLS.agent)
    names["planner"].model = ScriptedModel(
        [
            [
                ToolCall("weather", {"city": "Oslo"}),
                ToolCall("compare", {"cities": ["Oslo", "Rome", "Bern"]}),
            ],
            lambda items: ToolCall("book_hotel", {"city": items[-1]["output"]}),
            lambda items: str(items[-1]["output"]),
        ]
    )
    async with harness(names["app"], always_replay=True) as h:
        answer = await h.call("Trips/plan", "Somewhere cheap")
    assert answer == {"answer": "booked", "booked": ["hotel in Bern"]}
