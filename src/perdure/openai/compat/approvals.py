"""Approvals: from the SDK's interrupted run to the questions for a human, and where in the tree of agents
each comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from agents import RunResult, RunState, ToolApprovalItem

from perdure.openai import approvals
from perdure.openai.compat.point import Point

_PENDING_RUN = Point("agents.agent_tool_state", "peek_agent_tool_run_result", "tool_call", "scope_id")


async def decided(result: RunResult, timeout_ms: int | None) -> RunState[Any]:
    """The state from which an interrupted run goes on, once a human has decided on all that it waits for."""
    state = result.to_state()
    interruptions = state.get_interruptions()
    agents = [agents_above(state, item) for item in interruptions]
    await approvals.decide(state, interruptions, agents, timeout_ms)
    return state


def application_context(given: object) -> Any:
    """The `context=` of the run that a state is of; None if `given`, the input of a run, is no state."""
    wrapper = given._context if isinstance(given, RunState) else None
    return None if wrapper is None else wrapper.context


def agents_above(state: RunState[Any], item: ToolApprovalItem) -> tuple[str, ...]:
    """Names of agents, from that of the state down to the one that made the call, through agents as tools."""
    mine = () if state._current_agent is None else (state._current_agent.name,)
    for nested, interruptions in _nested(state):
        if any(
            each.agent is item.agent and approvals.call_id_of(each) == approvals.call_id_of(item)
            for each in interruptions
        ):
            return (*mine, *agents_above(nested, item))
    return mine


def _nested(state: RunState[Any]) -> Iterator[tuple[RunState[Any], list[ToolApprovalItem]]]:
    """The interrupted runs of the agents that this one has called as tools."""
    _, pending_run = _PENDING_RUN.find()
    response = state._last_processed_response
    for call in () if response is None else response.functions:
        pending = pending_run(call.tool_call, scope_id=state._agent_tool_state_scope_id)
        if pending is not None and isinstance(nested := pending.to_state(), RunState):
            yield nested, pending.interruptions


RELIED_ON = (_PENDING_RUN,)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {}
