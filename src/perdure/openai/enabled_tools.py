"""Which tools an agent offers: what its `is_enabled` functions say is asked once, and journaled.

A flag that changes while an invocation waits must not change the turns that are in the journal already. All
functions of an agent are asked in one step; an agent without any makes none.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from agents import FunctionTool, RunContextWrapper

from perdure.openai.context_changes import step_in_context

_verdicts: contextvars.ContextVar[dict[int, bool]] = contextvars.ContextVar("perdure_enabled", default={})  # noqa: B039 - never changed


def is_enabled(tool: Any, given: Any) -> Any:
    """What the SDK reads of a tool on the loop: the verdict, where there is one."""
    return _verdicts.get().get(id(tool), given)


async def ask(tools: Sequence[Any], run_context: RunContextWrapper[Any], agent: Any) -> dict[int, bool]:
    """The verdicts of all functions among the tools, by the id of the tool."""
    conditional = [tool for tool in tools if isinstance(tool, FunctionTool) and callable(tool.is_enabled)]
    if not conditional:
        return {}

    async def one(tool: FunctionTool) -> bool:
        assert callable(tool.is_enabled)
        verdict = tool.is_enabled(run_context, agent)
        return bool(await verdict if inspect.isawaitable(verdict) else verdict)

    async def every() -> list[bool]:
        return list(await asyncio.gather(*map(one, conditional)))

    verdicts: list[bool] = await step_in_context("enabled tools", run_context, every)
    return {id(tool): verdict for tool, verdict in zip(conditional, verdicts, strict=True)}


@contextmanager
def decided(verdicts: dict[int, bool]) -> Iterator[None]:
    """Let the SDK read the verdicts in place of the functions."""
    token = _verdicts.set(verdicts)
    try:
        yield
    finally:
        _verdicts.reset(token)
