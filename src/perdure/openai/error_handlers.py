"""Error handlers of a run: a plain one is one step, named like `error handler max_turns`.

Its answer is the run's final output, not a prompt, and it may act on the world. An async one runs on the
deterministic loop, and makes steps and runs of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from agents import RunContextWrapper, RunErrorHandlerResult

from perdure.openai.context_changes import step_in_context


async def journaled_answer(
    kind: str,
    run_context: RunContextWrapper[Any],
    resolve: Callable[[], Awaitable[RunErrorHandlerResult | None]],
) -> RunErrorHandlerResult | None:
    """What a plain handler answers to an error of this kind, once in the life of the invocation."""

    async def act() -> dict[str, Any] | None:
        answer = await resolve()
        if answer is None:
            return None
        return {"final_output": answer.final_output, "include_in_history": answer.include_in_history}

    recorded: dict[str, Any] | None = await step_in_context(f"error handler {kind}", run_context, act)
    return None if recorded is None else RunErrorHandlerResult(**recorded)
