"""The examples that have a model of their own choosing, with the attempt ended at every await.

The others say the same of themselves in their own tests.
"""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from agents import set_tracing_disabled

from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `agent.py` of an example defines."""
    set_tracing_disabled(True)

    def load(name: str) -> dict[str, Any]:
        monkeypatch.syspath_prepend(EXAMPLES / name)
        return runpy.run_path(str(EXAMPLES / name / "agent.py"))

    return load


async def test_the_weather(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEATHER_API_URL", "http://127.0.0.1:9")  # the network is closed
    names = example("weather")
    names["weather"].model = model = ScriptedModel(
        [ToolCall("get_weather", {"city": "Detroit"}), lambda items: items[-1]["output"]]
    )
    async with harness(names["app"], always_replay=True) as h:
        answer = await h.call("Agent/run", "What is the weather in Detroit?")
    assert "recorded observation" in answer
    assert model.calls == [0, 1]


async def test_a_chat(example: Any) -> None:
    names = example("chat")
    names["assistant"].model = ScriptedModel([lambda items: f"{len(items)} items"])
    async with harness(names["app"], always_replay=True) as h:
        assert await h.call("Chat/ada/say", "one") == "1 items"
        assert await h.call("Chat/ada/say", "two") == "3 items"
        assert len(await h.call("Chat/ada/history")) == 4
        await h.call("Chat/ada/forget")
        assert await h.call("Chat/ada/history") == []


async def test_a_story_that_is_streamed(example: Any) -> None:
    names = example("streaming")
    names["teller"].model = model = ScriptedModel(["There was a lighthouse."])
    async with harness(names["app"], always_replay=True) as h:
        assert await h.call("Story/tell", "a lighthouse") == "There was a lighthouse."
    assert model.calls == [0]


async def test_refunds_that_wait_for_a_human(
    example: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUNDS_FILE", str(tmp_path / "refunds.txt"))
    async with harness(example("approvals")["app"], always_replay=True) as h:
        invocation_id = await h.send("Refunds/handle", "Orders 17 and 23 arrived broken.")
        await h.settle()
        (announced,) = {
            entry["value_preview"]
            for entry in await h.journal(invocation_id)
            if "awakeable_id" in entry.get("value_preview", "")
        }
        await h.resolve(json.loads(announced)["ok"]["awakeable_id"], {"approved": True})
        assert "180 euros" in await h.attach(invocation_id)
    assert sorted((tmp_path / "refunds.txt").read_text().splitlines()) == [
        "order 17: 20 euros",
        "order 23: 180 euros",
    ]
