"""The code of the guide to the OpenAI-compatible door runs as it stands, with replay at every await."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from agents import set_tracing_disabled
from openai import AsyncOpenAI

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "openai-door.md"


async def test_a_client_talks_to_both_agents() -> None:
    set_tracing_disabled(True)
    agents, client = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(agents, PAGE.name, "exec"), names)
    exec(compile(client, PAGE.name, "exec"), names)
    names["assistant"].model = ScriptedModel(["Hello Ada.", "Ada."])
    async with (
        harness(names["app"], always_replay=True, ports=True) as h,
        AsyncOpenAI(base_url=f"{h.ingress_url}/v1", api_key="any") as names["client"],
    ):
        assert await names["talk"]() == ["Hello Ada.", "Hello Ada.", "Ada."]
