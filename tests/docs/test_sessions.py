"""The code of the guide to sessions runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "sessions.md"


async def test_the_chat_of_the_guide_answers_and_tells_its_history() -> None:
    [source] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(source, "sessions.md", "exec"), names)
    names["assistant"].model = ScriptedModel(["Hello Ada.", "Ada."])
    async with harness(names["app"], always_replay=True) as h:
        await h.call("Chat/ada/say", "My name is Ada.")
        assert await h.call("Chat/ada/say", "What is my name?") == "Ada."
        assert len(await h.call("Chat/ada/history")) == 4
