"""The README's code runs as it stands, and its commands are real ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import restate

from perdure import DurableRunner
from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

README = (Path(__file__).parents[2] / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line.strip().split("#")[0].split() for line in README.splitlines() if line.startswith("    ")]


def executed(source: str, **names: Any) -> dict[str, Any]:
    """The names that a block defines, when `names` are there."""
    exec(compile(source, "README.md", "exec"), names)
    return names


async def test_the_agent_of_the_readme_answers() -> None:
    agent = executed(PYTHON[0])
    agent["weather"].model = ScriptedModel(["The weather in Detroit is currently 22°C and sunny."])

    async with harness(agent["app"]) as h:
        answer = await h.call("Agent/run", "What is the weather in Detroit?")

    assert answer == "The weather in Detroit is currently 22°C and sunny."


async def test_the_tool_that_orchestrates_books_a_trip_and_waits_an_hour() -> None:
    done: list[str] = []

    async def book_flight(trip: str) -> str:
        done.append("flight")
        return f"flight to {trip}"

    async def book_hotel(trip: str) -> str:
        done.append("hotel")
        return f"hotel in {trip}"

    async def confirm(flight: str, hotel: str) -> str:
        done.append("confirm")
        return f"{flight}, {hotel}"

    source, call = PYTHON[1].rsplit("\n\nresult = ", 1)
    assert call.strip() == "await DurableRunner.run(agent, message, context=ctx)"
    tools = executed(
        f"import asyncio\nimport restate\nfrom agents import function_tool\n{source}",
        book_flight=book_flight,
        book_hotel=book_hotel,
        confirm=confirm,
    )
    model = ScriptedModel([ToolCall("book", {"trip": "Oslo"}), "Booked."])
    service = restate.Service("Travel")

    @service.handler()
    async def plan(ctx: restate.Context, message: str) -> str:
        from agents import Agent

        agent = Agent(name="Travel", model=model, tools=[tools["book"]])
        return str((await DurableRunner.run(agent, message, context=ctx)).final_output)

    async with harness(restate.app([service])) as h:
        assert await h.call("Travel/plan", "Book Oslo") == "Booked."

    assert sorted(done[:2]) == ["flight", "hotel"]
    assert done[2:] == ["confirm"]


@pytest.mark.parametrize("words", [c for c in COMMANDS if c[:1] == ["perdure"]], ids=" ".join)
def test_each_perdure_command_of_the_readme_exists(words: list[str]) -> None:
    from typer.main import get_command

    from perdure.cli.main import app

    command: Any = get_command(app)
    for word in words[1:]:
        if not hasattr(command, "commands"):
            break
        assert word in command.commands, f"no such command: {' '.join(words)}"
        command = command.commands[word]


@pytest.mark.parametrize("words", [c for c in COMMANDS if c[:1] == ["make"]], ids=" ".join)
def test_each_make_target_of_the_readme_exists(words: list[str]) -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    assert re.search(rf"^{words[1]}:", makefile, flags=re.MULTILINE)
