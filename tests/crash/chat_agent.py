"""A chat that is killed: its process dies right before it issues the command that the test has named.

Every command of a handler is one journal entry, state included, so the commands are all the boundaries.
"""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import restate
from agents import Agent, function_tool, set_tracing_disabled

from perdure import DurableRunner, DurableSession
from perdure.durable.driver import Driver
from perdure.testing.scripted_model import ScriptedModel, ToolCall

set_tracing_disabled(True)
ORDER = Path(os.environ["DIE_AT"])  # holds the number of the command; taken away by who obeys
_issued = 0


def _die_where_told(driver: Driver, command: Any) -> Any:
    global _issued
    _issued += 1
    if ORDER.exists() and int(ORDER.read_text()) <= _issued:
        ORDER.unlink()
        os.killpg(os.getpgrp(), signal.SIGKILL)
    return _issue(driver, command)


_issue = Driver.issue
Driver.issue = _die_where_told  # type: ignore[method-assign,assignment]


@function_tool
async def get_weather(city: str) -> str:
    """The weather."""
    return f"22 degrees in {city}"


agent = Agent(
    name="Weather",
    tools=[get_weather],
    model=ScriptedModel(["Hello.", ToolCall("get_weather", {"city": "Rome"}), "22 degrees"]),
)
SOON = restate.InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=20), exponentiation_factor=1.0, max_attempts=1000
)
chat = restate.VirtualObject("Chat", invocation_retry_policy=SOON)


@chat.handler()
async def talk(ctx: restate.ObjectContext) -> str:
    """Two messages in one invocation."""
    global _issued
    _issued = 0
    for message in ("Hi", "Weather in Rome?"):
        result = await DurableRunner.run(agent, message, session=DurableSession())
    return str(result.final_output)


@chat.handler(kind="shared")
async def history(ctx: restate.ObjectSharedContext) -> list[Any]:
    return list(await DurableSession().get_items())


app = restate.app([chat])
