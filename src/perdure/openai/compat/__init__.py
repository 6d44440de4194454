"""The only package that touches private names of the Agents SDK. One file a concern.

We do not wrap agents, models or tools: identity matters to cyclic handoffs, to `result.last_agent is
agent`, to `isinstance` checks on models. We replace the functions through which the SDK's runner reaches
the outside world. Each replacement asks first whether it runs on a deterministic loop (those of `IN_STEPS`:
in the closure of a step; of `IN_ATTEMPTS`: in a handler), and if not, it is the SDK's own function.
"""

from __future__ import annotations

from perdure.durable import on_deterministic_loop
from perdure.durable.context import enclosing_step
from perdure.openai.compat import (
    agents_in_steps,
    approvals,
    error_handlers,
    guardrails,
    handoffs,
    hooks,
    local_tools,
    mcp,
    models,
    open_responses,
    run_ids,
    sandboxes,
    sessions,
    streaming,
    tool_functions,
    tools,
    tracing,
    turns,
)
from perdure.openai.compat.point import Point, durable_or

__all__ = ["Point", "install"]

_CONCERNS = (
    turns,
    models,
    open_responses,
    run_ids,
    agents_in_steps,
    streaming,
    tool_functions,
    tools,
    local_tools,
    mcp,
    sandboxes,
    sessions,
    approvals,
    guardrails,
    hooks,
    handoffs,
    error_handlers,
    tracing,
)


def install() -> None:
    """Put our functions in the place of the SDK's. Once in a process; IncompatibleSDK leaves the SDK
    untouched.
    """
    for point in (point for concern in _CONCERNS for point in concern.RELIED_ON):
        point.find()
    attributes = {**tools.ATTRIBUTES, **local_tools.ATTRIBUTES}
    for attribute in attributes:
        attribute.find()
    replacements = [
        (*item, on_deterministic_loop) for concern in _CONCERNS for item in concern.REPLACEMENTS.items()
    ]
    replacements += [(*item, in_step) for item in {**models.IN_STEPS, **agents_in_steps.IN_STEPS}.items()]
    replacements += [(*item, tracing.in_attempt) for item in tracing.IN_ATTEMPTS.items()]
    found = [(*point.find(), point.name, replacement, where) for point, replacement, where in replacements]
    for holder, original, name, replacement, where in found:
        if not hasattr(original, "__perdure__"):
            setattr(holder, name, durable_or(original, replacement, where))
    mcp.make_servers_durable()
    sessions.cover_session_classes()
    for attribute, read in attributes.items():
        attribute.replace(read)


def in_step() -> bool:
    """Whether the calling code is the closure of a step."""
    return enclosing_step() is not None
