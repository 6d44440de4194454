"""Handoffs: an `on_handoff` callback is one step, named like `on_handoff: Billing`.

A handoff itself makes no entry: it follows from the model's answer, which is journaled. Input filters and
`is_enabled` run on the deterministic loop, and again on replay: all that they make is the next prompt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from agents import AgentBase, RunContextWrapper

from perdure.openai.context_changes import step_in_context

Invoke = Callable[[RunContextWrapper[Any], str], Awaitable[AgentBase[Any]]]


def journaled_invoke(invoke: Invoke, agent: AgentBase[Any]) -> Invoke:
    """`on_invoke_handoff` of a handoff to `agent` that calls a user's function on its way."""

    async def invoke_once(run_context: RunContextWrapper[Any], arguments: str) -> AgentBase[Any]:
        async def act() -> str:
            return (await invoke(run_context, arguments)).name

        _name: str = await step_in_context(f"on_handoff: {agent.name}", run_context, act)
        return agent

    return invoke_once
