"""What the SDK keeps in its objects about the agents behind them, for who looks without running anything."""

from __future__ import annotations

import gc
from typing import Any

from agents import Agent, FunctionTool, Handoff

from perdure.openai.compat.handoffs import has_callback

__all__ = ["agent_of", "agents_in_process", "has_callback", "target_of"]


def agent_of(tool: FunctionTool) -> Agent[Any] | None:
    """The agent that a tool made by `as_tool()` runs."""
    agent = tool._agent_instance if tool._is_agent_tool else None
    return agent if isinstance(agent, Agent) else None


def target_of(handoff: Handoff[Any, Any]) -> Agent[Any] | None:
    """The agent that a handoff made by `handoff()` leads to, if it is still there."""
    agent = handoff._agent_ref() if handoff._agent_ref is not None else None
    return agent if isinstance(agent, Agent) else None


def agents_in_process() -> list[Agent[Any]]:
    """Every agent that exists, wherever it is kept: in modules, classes, closures of handlers."""
    return [thing for thing in gc.get_objects() if issubclass(type(thing), Agent)]
