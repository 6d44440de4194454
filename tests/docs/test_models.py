"""The code of the guide to models runs as it stands."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import restate
from agents import Agent, set_tracing_disabled
from model_api import TEXT, ModelApi, served

from perdure import DurableRunner
from perdure.testing import harness

pytestmark = pytest.mark.anyio

GUIDE = (Path(__file__).parents[2] / "docs/guide/models.md").read_text()
TRIES, BACKGROUND = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)


def executed(source: str, **names: Any) -> dict[str, Any]:
    exec(compile(source, "models.md", "exec"), names)
    return names


@pytest.fixture(scope="module", autouse=True)
async def one_loop() -> AsyncIterator[None]:
    """The SDK's default HTTP client lives as long as the process, so the tests share an event loop."""
    yield  # noqa: PT022


@pytest.fixture(autouse=True)
def no_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    set_tracing_disabled(True)
    monkeypatch.setenv("OPENAI_API_KEY", "k")


async def test_the_patient_agent_asks_eight_times(monkeypatch: pytest.MonkeyPatch) -> None:
    api = ModelApi([503] * 7 + [200])
    service = restate.Service("Agent")
    executed(TRIES, service=service, agent=Agent(name="A", model="gpt-5"), restate=restate)
    async with served(api) as url, harness(service) as h:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        assert await h.call("Agent/ask", "why?") == TEXT
    assert len(api.asked) == 8


async def test_the_researcher_is_asked_once_and_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    api = ModelApi()
    service = restate.Service("Agent")
    researcher = executed(BACKGROUND)["researcher"]

    @service.handler()
    async def ask(ctx: restate.Context, question: str) -> str:
        return str((await DurableRunner.run(researcher, question)).final_output)

    async with served(api) as url, harness(service, always_replay=True) as h:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        assert await h.call("Agent/ask", "why?") == TEXT
    assert api.created == ["resp_1"]
    assert len(api.retrieved) == 2
