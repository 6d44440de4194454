"""The code of the guide to the OpenAI-compatible door runs as it stands, with replay at every await."""

from __future__ import annotations

import pytest
from openai import AsyncOpenAI
from pages import executed, page

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel

pytestmark = pytest.mark.anyio

DOOR = page("docs/guide/openai-door.md", "agents client again")


async def test_a_client_talks_to_both_agents() -> None:
    names = executed(DOOR.agents, DOOR.client)
    names["assistant"].model = ScriptedModel(["Hello Ada.", "Ada."])
    async with (
        harness(names["app"], always_replay=True, ports=True) as h,
        AsyncOpenAI(base_url=f"{h.ingress_url}/v1", api_key="any") as names["client"],
    ):
        assert await names["talk"]() == ["Hello Ada.", "Hello Ada.", "Ada."]
        request = DOOR.again.text.replace("...", 'model="Helper", input="Hello"')
        first, second = [await eval(request, names) for _ in range(2)]
        assert first.id == second.id
