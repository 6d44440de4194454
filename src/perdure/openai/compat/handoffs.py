"""Handoffs: the function that carries one out.

It is given a copy of the handoff whose `on_invoke_handoff` is ours, for this one call; the agent keeps the
handoff that the user made.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from agents import Handoff

from perdure.openai import handoffs
from perdure.openai.compat.point import Point

_EXECUTE = Point("agents.run_internal.turn_resolution", "execute_handoffs", "run_handoffs")
_RUN_HANDOFF = Point("agents.run_internal.run_steps", "ToolRunHandoff", "handoff", "tool_call")


async def _execute(original: Any, *, run_handoffs: list[Any], **arguments: Any) -> Any:
    first, *ignored = run_handoffs
    journaled = dataclasses.replace(first, handoff=_journaled(first.handoff))
    return await original(run_handoffs=[journaled, *ignored], **arguments)


def _journaled(handoff: Handoff[Any, Any]) -> Handoff[Any, Any]:
    """The handoff as `handoff()` made it, with its callback in a step. One that a user built is their own
    code, and runs on the loop.
    """
    agent = handoff._agent_ref() if handoff._agent_ref is not None else None
    if agent is None or not has_callback(handoff):
        return handoff
    journaled = copy.copy(handoff)
    journaled.on_invoke_handoff = handoffs.journaled_invoke(handoff.on_invoke_handoff, agent)
    return journaled


def has_callback(handoff: Handoff[Any, Any]) -> bool:
    """Whether `handoff()` was given an `on_handoff`. If that cannot be told, it may have been."""
    invoke = handoff.on_invoke_handoff
    while isinstance(invoke, partial):
        invoke = invoke.args[0]
    try:
        return inspect.getclosurevars(invoke).nonlocals["on_handoff"] is not None
    except (TypeError, KeyError):
        return True


RELIED_ON = (_RUN_HANDOFF,)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {_EXECUTE: _execute}
