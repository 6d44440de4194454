"""Agents whose runs are looked at: what they decide, pay, ask a human, and where they stumble."""

from __future__ import annotations

import advisers
import restate
from agents import Agent

from perdure import Budget, DurableOptions, DurableRunner, Price, RetryPolicy, function_tool
from perdure.testing.scripted_model import ScriptedModel, ToolCall

HOSTILE = '<script>alert(1)</script>\u202e\x00{"ok":'
failures: list[int] = []


@function_tool
def look_up(city: str) -> dict[str, str]:
    return {"city": city, "sky": HOSTILE}


@function_tool(retry=RetryPolicy(initial_delay_ms=1, factor=1))
def ring(number: int) -> str:
    """Busy the first time."""
    if number not in failures:
        failures.append(number)
        raise ConnectionError("line is busy")
    return "rung"


@function_tool(needs_approval=True)
def fire(name: str) -> str:
    return f"{name} is fired"


def agent(name: str, *answers: object, **more: object) -> Agent[None]:
    model = ScriptedModel(list(answers))  # type: ignore[arg-type]
    model.model = "scripted-1"  # type: ignore[attr-defined]
    return Agent(name=name, model=model, **more)  # type: ignore[arg-type]


boss = restate.Service("Boss")
PRICES = {"scripted-1": Price(input=1_000, output=10_000)}


@boss.handler()
async def forecast(ctx: restate.Context, city: str) -> str:
    """Two model calls and a tool between them, paid out of a budget."""
    scout = agent("Scout", ToolCall("look_up", {"city": city}), "It is clear.", tools=[look_up])
    options = DurableOptions(budget=Budget(usd=10, prices=PRICES))
    return str((await DurableRunner.run(scout, "Weather?", options=options)).final_output)


@boss.handler()
async def call(ctx: restate.Context, number: int) -> str:
    caller = agent("Caller", ToolCall("ring", {"number": number}), "Done.", tools=[ring])
    return str((await DurableRunner.run(caller, "Call them.")).final_output)


@boss.handler()
async def dismiss(ctx: restate.Context, name: str) -> str:
    judge = agent("Judge", ToolCall("fire", {"name": name}), "Done.", tools=[fire])
    return str((await DurableRunner.run(judge, "Dismiss them.")).final_output)


@boss.handler()
async def talk(ctx: restate.Context, words: int) -> str:
    """A long answer, streamed."""
    talker = agent("Talker", "word " * words)
    run = DurableRunner.run_streamed(talker, "Talk.")
    async for _ in run.stream_events():
        pass
    return str(run.final_output)


app = restate.app([boss, advisers.service])
