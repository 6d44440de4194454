"""The code of the guide to models runs as it stands."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import restate
from agents import Agent, set_tracing_disabled
from model_api import TEXT, ModelApi, served
from openai import AsyncOpenAI

from perdure import DurableRunner
from perdure.testing import harness

pytestmark = pytest.mark.anyio

GUIDE = (Path(__file__).parents[2] / "docs/guide/models.md").read_text()
Use = Callable[[str], Awaitable[None]]
TRIES, BACKGROUND = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)


def executed(source: str, **names: Any) -> dict[str, Any]:
    exec(compile(source, "models.md", "exec"), names)
    return names


@pytest.fixture
async def default_client_of(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Use]:
    """Make a client of this base URL the default one of the SDK, which models by name use."""
    set_tracing_disabled(True)
    async with AsyncExitStack() as stack:

        async def use(url: str) -> None:
            client = await stack.enter_async_context(AsyncOpenAI(base_url=url, api_key="k"))
            monkeypatch.setattr("agents.models._openai_shared._default_openai_client", client)

        yield use


async def test_the_patient_agent_asks_eight_times(default_client_of: Use) -> None:
    api = ModelApi([503] * 7 + [200])
    service = restate.Service("Agent")
    executed(TRIES, service=service, agent=Agent(name="A", model="gpt-5"), restate=restate)
    async with served(api) as url, harness(service) as h:
        await default_client_of(url)
        assert await h.call("Agent/ask", "why?") == TEXT
    assert len(api.asked) == 8


async def test_the_researcher_is_asked_once_and_fetched(default_client_of: Use) -> None:
    api = ModelApi()
    service = restate.Service("Agent")
    researcher = executed(BACKGROUND)["researcher"]

    @service.handler()
    async def ask(ctx: restate.Context, question: str) -> str:
        return str((await DurableRunner.run(researcher, question)).final_output)

    async with served(api) as url, harness(service, always_replay=True) as h:
        await default_client_of(url)
        assert await h.call("Agent/ask", "why?") == TEXT
    assert api.created == ["resp_1"]
    assert len(api.retrieved) == 2
