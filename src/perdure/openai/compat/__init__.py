"""The only package that touches private names of the Agents SDK. One file a concern.

We do not wrap agents, models or tools: identity matters to cyclic handoffs, to `result.last_agent is
agent`, to `isinstance` checks on models. We replace the functions through which the SDK's runner reaches
the outside world. Each replacement asks first whether it runs on a deterministic loop, and if not, it is
the SDK's own function.
"""

from __future__ import annotations

from perdure.openai.compat import approvals, guardrails, handoffs, hooks, models, sessions, tools
from perdure.openai.compat.point import Point, durable_or

__all__ = ["Point", "install"]

_CONCERNS = (models, tools, sessions, approvals, guardrails, hooks, handoffs)


def install() -> None:
    """Put our functions in the place of the SDK's. Once in a process; IncompatibleSDK leaves the SDK
    untouched.
    """
    for point in (point for concern in _CONCERNS for point in concern.RELIED_ON):
        point.find()
    replacements = [item for concern in _CONCERNS for item in concern.REPLACEMENTS.items()]
    found = [(*point.find(), point.name, replacement) for point, replacement in replacements]
    for holder, original, name, replacement in found:
        if not hasattr(original, "__perdure__"):
            setattr(holder, name, durable_or(original, replacement))
