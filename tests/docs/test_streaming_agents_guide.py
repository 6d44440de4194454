"""The code of the guide to streaming agents runs as it stands, with replay at every await."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from agents import set_tracing_disabled

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "streaming-agents.md"


@pytest.mark.parametrize("handler", ["ask", "ask_plainly"])
async def test_the_guide(handler: str) -> None:
    set_tracing_disabled(True)
    names: dict[str, Any] = {"__name__": "guide"}
    for source in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(source, PAGE.name, "exec"), names)
    names["agent"].model = ScriptedModel(["In Italy."])
    async with harness(names["app"], always_replay=True) as h:
        assert await h.call(f"Guide/{handler}", "Where is Rome?") == "In Italy."
