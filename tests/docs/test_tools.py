"""The code in the guide to tools runs as it stands, with replay at every await."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest
from agents import set_tracing_disabled

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "tools.md"


async def test_a_trip_is_planned_with_tools_of_each_kind() -> None:
    set_tracing_disabled(True)
    [source] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    module = types.ModuleType("tools_guide")
    sys.modules[module.__name__] = module  # dataclasses look their own module up
    exec(compile(source, GUIDE.name, "exec"), vars(module))
    module.planner.model = ScriptedModel(
        [
            [
                ToolCall("weather", {"city": "Oslo"}),
                ToolCall("compare", {"cities": ["Oslo", "Rome", "Bern"]}),
            ],
            lambda items: ToolCall("book_hotel", {"city": items[-1]["output"]}),
            lambda items: str(items[-1]["output"]),
        ]
    )
    async with harness(module.app, always_replay=True) as h:
        answer = await h.call("Trips/plan", "Somewhere cheap")
    assert answer == {"answer": "booked", "booked": ["hotel in Bern"]}
