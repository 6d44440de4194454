"""Error handlers: the function that asks one, under the names by which three modules call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.durable.step import is_async
from perdure.openai.compat.point import Point
from perdure.openai.error_handlers import journaled_answer

_RESOLVES = tuple(
    Point(module, "resolve_run_error_handler_result", "error_handlers", "error_kind", "context_wrapper")
    for module in ("agents.run", "agents.run_internal.run_loop", "agents.run_internal.turn_resolution")
)


async def _resolve(
    original: Any, *, error_handlers: Any, error_kind: Any, context_wrapper: Any, **arguments: Any
) -> Any:
    async def resolve() -> Any:
        return await original(
            error_handlers=error_handlers,
            error_kind=error_kind,
            context_wrapper=context_wrapper,
            **arguments,
        )

    handler = (error_handlers or {}).get(error_kind)
    if handler is None or is_async(handler):
        return await resolve()
    return await journaled_answer(error_kind, context_wrapper, resolve)


RELIED_ON: tuple[Point, ...] = ()
REPLACEMENTS: dict[Point, Callable[..., Any]] = dict.fromkeys(_RESOLVES, _resolve)
