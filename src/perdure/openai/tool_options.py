"""What Perdure adds to a function tool, beside what the Agents SDK knows of it."""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from perdure.durable import ONCE, RetryPolicy
from perdure.durable.context import enclosing_step
from perdure.durable.effect import OnUnknown


@dataclass(frozen=True, kw_only=True)
class ToolOptions:
    """How a tool is made durable. The defaults are those of a tool that is made with the SDK's decorator.

    retry: which errors of the tool's function are tried again before the SDK hears of them. Each try is an
        entry, the pause between two a durable sleep.
    once, on_unknown: the tool is an effect; see `perdure.effect`.
    orchestrates: its function runs on the deterministic loop, and makes steps of its own.
    """

    retry: RetryPolicy = ONCE
    once: bool = False
    on_unknown: OnUnknown[Any] = "fail"
    orchestrates: bool = False


class TryAgain(BaseException):
    """Carries an error of a tool's function past the SDK, which would tell the model of it at once."""

    def __init__(self, delay_ms: int, error: Exception) -> None:
        super().__init__(delay_ms, error)
        self.delay_ms, self.error = delay_ms, error


@dataclass(frozen=True)
class Attempt:
    """The try that a step is making of a tool; `number` is 1 for the first."""

    options: ToolOptions
    number: int

    def raise_again(self, error: Exception) -> None:
        """Raise TryAgain if the policy says so."""
        if (delay_ms := self.options.retry.delay_ms(error, self.number)) is not None:
            raise TryAgain(delay_ms, error)


_attempt: contextvars.ContextVar[Attempt | None] = contextvars.ContextVar("perdure_attempt", default=None)


def begin(attempt: Attempt) -> None:
    """Let the tool's function, called from here, be judged by its policy. Ends with the calling task."""
    _attempt.set(attempt)


async def judged(options: ToolOptions, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
    """Await the function of a tool. If it is the one that a step calls, its error is judged by its policy.

    Tools of an agent that is run inside of a step are none of that step's business.
    """
    attempt = _attempt.get()
    attempt = attempt if attempt is not None and attempt.options is options else None
    if attempt is None and options.once and (scope := enclosing_step()) is not None:
        raise scope.refuse(
            f"tool {name!r} has once=True, and its agent was run inside the step {scope.name!r}, where no "
            f"claim can be journaled: a crash would call it again in silence. If {scope.name!r} is a tool, "
            "put @perdure.durable_tool on it in place of @function_tool"
        )
    token = _attempt.set(None)
    try:
        return await call()
    except Exception as error:
        if attempt is not None:
            attempt.raise_again(error)
        raise
    finally:
        _attempt.reset(token)
