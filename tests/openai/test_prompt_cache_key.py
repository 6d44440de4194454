"""The provider finds the prompt of a run in its cache, also after the process died in its middle."""

from __future__ import annotations

from typing import Any

import pytest
import restate
from agent_invocation import asked, asking
from agents import Agent, ModelResponse, function_tool, set_tracing_disabled
from journal_server import value_of

from perdure import DurableRunner
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


class CachingModel(ScriptedModel):
    """A model whose provider takes the key of a prompt cache, as OpenAI does."""

    def __init__(self, turns: list[Any]) -> None:
        super().__init__(turns)
        self.keys: list[str] = []

    def _supports_default_prompt_cache_key(self) -> bool:
        return True

    async def get_response(self, *args: Any, **options: Any) -> ModelResponse:
        settings = options.get("model_settings", args[2] if len(args) > 2 else None)
        self.keys.append(settings.extra_args["prompt_cache_key"])
        return await super().get_response(*args, **options)


@function_tool
def look_up() -> str:
    return "found"


async def test_all_turns_of_a_run_share_one_key_in_whichever_attempt_they_are_made() -> None:
    model = CachingModel([[ToolCall("look_up")], [ToolCall("look_up")], "done"])
    agent = Agent(name="A", model=model, tools=[look_up])
    server = asking(agent)
    assert value_of(await server.run()) == "done"
    assert server.attempts > 3
    assert len(model.keys) == 3
    assert len(set(model.keys)) == 1


async def test_each_run_has_a_key_of_its_own() -> None:
    model = CachingModel(["done"])
    agent = Agent(name="A", model=model)

    async def run(ctx: restate.Context, message: str) -> Any:
        await DurableRunner.run(agent, message)
        return (await DurableRunner.run(agent, message)).final_output

    assert value_of(await asked(run, suspend_always=True).run()) == "done"
    assert len(set(model.keys)) == 2
