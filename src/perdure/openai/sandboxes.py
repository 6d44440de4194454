"""Sandbox agents are refused: a sandbox is a machine of its own, which no journal holds yet."""

from __future__ import annotations

from typing import Any, NoReturn

from agents import Agent

from perdure.durable import current
from perdure.errors import NotDurable


def refuse(agent: Agent[Any]) -> NoReturn:
    """Refuse an agent that works in a sandbox, before the sandbox is made."""
    context = current()
    assert context is not None
    raise context.fail(
        NotDurable(
            f"agent {agent.name!r} is a SandboxAgent, whose sandbox this version of Perdure cannot journal. "
            "Use an Agent with function tools that work in your sandbox: each call of them is one step"
        )
    )
