"""Approvals: from the SDK's interrupted run to the questions for a human, and the functions of the user that
decide whether there is a question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from agents import (
    MCPToolApprovalRequest,
    RunContextWrapper,
    RunResult,
    RunResultStreaming,
    RunState,
    ToolApprovalItem,
)

from perdure.openai import approvals
from perdure.openai.compat.point import Point

_NEEDS_APPROVAL = tuple(
    Point(module, "evaluate_needs_approval_setting", "needs_approval_setting", "args")
    for module in (
        "agents.util._approvals",
        "agents.run_internal.tool_actions",
        "agents.run_internal.turn_resolution",
    )
)
_RESOLVE_STATUS = Point("agents.run_internal.tool_actions", "resolve_approval_status", "on_approval")
_ANSWER_HOSTED = Point(
    "agents.run_internal.tool_planning", "execute_mcp_approval_requests", "approval_requests"
)
_PENDING_RUN = Point("agents.agent_tool_state", "peek_agent_tool_run_result", "tool_call", "scope_id")


async def decided(result: RunResult | RunResultStreaming, timeout_ms: int | None) -> RunState[Any]:
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


async def _needs_approval(original: Any, needs_approval_setting: Any, *data: Any, **options: Any) -> bool:
    if not callable(needs_approval_setting):
        needed: bool = await original(needs_approval_setting, *data, **options)
        return needed
    return await approvals.needs_approval(data[0], needs_approval_setting, data)


async def _resolve_status(original: Any, *, on_approval: Any = None, **arguments: Any) -> Any:
    if on_approval is not None:
        on_approval = partial(_on_approval, on_approval)
    return await original(on_approval=on_approval, **arguments)


async def _answer_hosted(original: Any, *, approval_requests: list[Any], **arguments: Any) -> Any:
    """The callbacks of hosted MCP tools. They hang on the tool, and the SDK's note of each request holds it:
    so it gets another tool to read there, which nobody else sees.
    """
    noted = [
        replace(request, mcp_tool=replace(tool, on_approval_request=partial(_on_request, callback)))
        if (callback := (tool := request.mcp_tool).on_approval_request) is not None
        else request
        for request in approval_requests
    ]
    return await original(approval_requests=noted, **arguments)


async def _on_approval(callback: Any, context: RunContextWrapper[Any], item: ToolApprovalItem) -> Any:
    return await approvals.on_approval(context, callback, (context, item))


async def _on_request(callback: Any, request: MCPToolApprovalRequest) -> Any:
    return await approvals.on_approval(request.ctx_wrapper, callback, (request,))


RELIED_ON = (_PENDING_RUN,)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {
    **dict.fromkeys(_NEEDS_APPROVAL, _needs_approval),
    _RESOLVE_STATUS: _resolve_status,
    _ANSWER_HOSTED: _answer_hosted,
}
