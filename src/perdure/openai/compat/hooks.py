"""Hooks: where a run takes those that it is given, and the function that calls them side by side.

The SDK creates the coroutines of both hooks first and then gathers them. The one of the run's hooks is ours
and tells what is gathered; other things that go through the same function are left alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from perdure.openai.compat.point import Point
from perdure.openai.hooks import HookCall, JournaledRunHooks

_VALIDATE = Point("agents.run", "validate_run_hooks", "hooks")
_GATHERS = tuple(
    Point(f"agents.run_internal.{module}", "gather_with_cancel", "awaitables")
    for module in ("run_loop", "turn_resolution", "tool_execution", "tool_actions")
)


def _validate(original: Any, hooks: Any) -> JournaledRunHooks:
    return JournaledRunHooks(original(hooks))


async def _gather(original: Any, *awaitables: Awaitable[Any], **options: Any) -> Any:
    call = next((awaitable for awaitable in awaitables if isinstance(awaitable, HookCall)), None)
    if call is None:
        return await original(*awaitables, **options)
    try:
        return await original(*(a if a is call else call.for_agent(a) for a in awaitables), **options)
    finally:
        for awaitable in filter(inspect.iscoroutine, awaitables):
            if inspect.getcoroutinestate(awaitable) == inspect.CORO_CREATED:
                awaitable.close()  # the journal answered in its place


RELIED_ON: tuple[Point, ...] = ()
REPLACEMENTS: dict[Point, Callable[..., Any]] = {_VALIDATE: _validate, **dict.fromkeys(_GATHERS, _gather)}
