"""An error handler gives the run its answer: a plain one is one step, an async one orchestrates."""

from __future__ import annotations

from typing import Any

import pytest
import restate
from agent_invocation import asked, asking
from agents import (
    Agent,
    RunErrorHandlerInput,
    RunErrorHandlerResult,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from journal_server import value_of
from pydantic import BaseModel

from perdure import DurableRunner
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


class Apology(BaseModel):
    reason: str


@function_tool
async def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word}: a greeting"


def never_done(output_type: Any = None) -> Agent[Any]:
    model = ScriptedModel([ToolCall("look_up", {"word": "x"})])
    return Agent(name="A", tools=[look_up], model=model, output_type=output_type)


async def test_a_plain_handler_is_asked_once_and_keeps_its_type() -> None:
    handled: list[str] = []

    def give_up(data: RunErrorHandlerInput[Any]) -> RunErrorHandlerResult:
        handled.append(type(data.error).__name__)
        return RunErrorHandlerResult(Apology(reason="too many turns"), include_in_history=False)

    async def run(ctx: restate.Context, message: str) -> Any:
        agent = never_done(Apology)
        result = await DurableRunner.run(agent, message, max_turns=2, error_handlers={"max_turns": give_up})
        items = [type(item).__name__ for item in result.new_items]
        again = await DurableRunner.run(Agent(name="B", model=ScriptedModel(["bye"])), message)
        return [result.final_output.reason, items.count("MessageOutputItem"), again.final_output]

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == ["too many turns", 0, "bye"]
    assert handled == ["MaxTurnsExceeded"]
    assert server.commands().count("Run error handler max_turns") == 1


async def test_an_async_handler_may_ask_another_agent() -> None:
    apologist = Agent(name="Sorry", model=ScriptedModel(["I am sorry"]))

    async def apologise(data: RunErrorHandlerInput[Any]) -> str:
        return str((await Runner.run(apologist, "Apologise.")).final_output)

    server = asking(never_done(), max_turns=1, error_handlers={"max_turns": apologise})
    assert value_of(await server.run()) == "I am sorry"
    assert server.commands()[1:-1] == ["Run call LLM", "Run look_up", "Run call LLM"]


async def test_without_an_answer_the_sdks_error_stays() -> None:
    server = asking(never_done(), max_turns=1, error_handlers={"max_turns": lambda _data: None})
    assert "MaxTurnsExceeded" in (await server.run()).failure.message
