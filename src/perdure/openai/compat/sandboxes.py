"""Agents that work in a sandbox: where the runner makes their sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents import Agent
from agents.sandbox import SandboxAgent

from perdure.openai import sandboxes
from perdure.openai.compat.point import Point

_RUNTIME = "agents.sandbox.runtime:SandboxRuntime"
_PREPARE = Point(_RUNTIME, "prepare_agent", "current_agent")
_SUPPORTED = Point(_RUNTIME, "assert_agent_supported", "agent")


async def _prepare(original: Any, runtime: Any, *, current_agent: Agent[Any], **more: Any) -> Any:
    if isinstance(current_agent, SandboxAgent):
        _, check = _SUPPORTED.find()
        check(runtime, current_agent)  # the SDK's own error comes first
        sandboxes.refuse(current_agent)
    return await original(runtime, current_agent=current_agent, **more)


RELIED_ON = (_SUPPORTED,)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {_PREPARE: _prepare}
