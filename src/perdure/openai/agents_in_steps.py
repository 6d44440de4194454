"""An agent that is run in a step: by a plain tool whose code does not show it, by a hook, by a model.

A step is one journal entry, whatever it does, and is made again if the process dies in it. So is an agent in
there, with all of its model calls and tools. That breaks no promise, and no agent that works without Perdure;
but nobody shall find it out from a bill, so it is said aloud. What was promised beside it and cannot be kept
in a step is refused: a budget, and a tool with once=True (tool_options.py).
"""

from __future__ import annotations

import logging

from perdure.durable.context import StepScope, enclosing_step
from perdure.openai import budget
from perdure.openai.options import current_options

_logger = logging.getLogger(__name__)

_told: set[tuple[str, str]] = set()
_TOLD_MAX = 1_000  # steps may have made-up names


def meet(agent: str) -> None:
    """The agent is about to call its model. Raises NotDurable, which fails the run, if it must not here."""
    scope = enclosing_step()
    if scope is None:
        return
    if budget.is_kept():
        raise scope.refuse(_what(agent, scope, "so the budget cannot count its model calls", "was run"))
    choice = current_options().agents_in_steps
    if choice == "refuse":
        raise scope.refuse(_what(agent, scope, _COST, "was run"))
    place = (agent, scope.name)
    if choice == "warn" and place not in _told and len(_told) < _TOLD_MAX:
        _told.add(place)
        meant = " If it is meant so, DurableOptions(agents_in_steps='allow') ends this warning"
        _logger.warning(_what(agent, scope, _COST, "is run") + meant)


_COST = "so its model calls are not journaled, and a crash has all of it made again"


def _what(agent: str, scope: StepScope, so: str, verb: str) -> str:
    return (
        f"agent {agent!r} {verb} inside the step {scope.name!r}, which is one journal entry, {so}. If "
        f"{scope.name!r} is a tool, put @perdure.durable_tool on it in place of @function_tool, or give the "
        "agent as a tool: tools=[agent.as_tool(...)]."
    )
