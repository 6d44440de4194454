"""function_tool and durable_tool: the SDK's decorator, with what Perdure adds to a tool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import agents
from agents import FunctionTool, UserError

from perdure.durable import ONCE, RetryPolicy
from perdure.durable.effect import OnUnknown
from perdure.durable.step import is_async
from perdure.openai.compat import tool_functions
from perdure.openai.tool_options import ToolOptions

Function = Callable[..., Any]
Decorator = Callable[[Function], FunctionTool]


def tool_options(tool: FunctionTool) -> ToolOptions:
    """The options of a tool, however it was made or copied."""
    return tool_functions.options_of(tool)


@overload
def function_tool(function: Function, /) -> FunctionTool: ...


@overload
def function_tool(
    *, retry: RetryPolicy = ..., once: bool = ..., on_unknown: OnUnknown[Any] = ..., **options: Any
) -> Decorator: ...


def function_tool(
    function: Function | None = None,
    /,
    *,
    retry: RetryPolicy = ONCE,
    once: bool = False,
    on_unknown: OnUnknown[Any] = "fail",
    **options: Any,
) -> FunctionTool | Decorator:
    """`agents.function_tool`, with options of our own. It returns a plain `agents.FunctionTool`.

    retry: which errors of the function are tried again, and when; by default none. The SDK, and so the
        model, hears of the last one only. A time-out counts as an error if timeout_behavior is
        "raise_exception".
    once, on_unknown: the function is an effect, claimed before it starts; see `perdure.effect`. It may call
        `perdure.idempotency_key()`.
    options: those of the SDK's decorator.

    In a run that is not durable they mean nothing: the tool is the SDK's.
    """
    ours = ToolOptions(retry=retry, once=once, on_unknown=on_unknown)

    def decorate(function: Function) -> FunctionTool:
        return tool_functions.attach(agents.function_tool(**options)(function), ours)

    return decorate if function is None else decorate(function)


@overload
def durable_tool(function: Function, /) -> FunctionTool: ...


@overload
def durable_tool(**options: Any) -> Decorator: ...


def durable_tool(function: Function | None = None, /, **options: Any) -> FunctionTool | Decorator:
    """`agents.function_tool` for a function that orchestrates: it runs on the deterministic loop, as the
    agent does, and makes steps, sleeps, calls to other services and awakeables.

    `perdure.durable.current()` is its DurableContext. Its first parameter may be a RunContextWrapper or
    ToolContext, with the context of the run. It is no entry of the journal itself; the steps in it are.

    options: those of the SDK's decorator. A `timeout` is a durable sleep.

    Raises agents.UserError for a function that is not async: it could await no step.
    """

    def decorate(function: Function) -> FunctionTool:
        if not is_async(function):
            name = getattr(function, "__qualname__", repr(function))
            raise UserError(
                f"@durable_tool needs an async function, and {name} is none: what orchestrates awaits its "
                "steps. A plain function is one step under @function_tool"
            )
        return tool_functions.attach(
            agents.function_tool(**options)(function), ToolOptions(orchestrates=True)
        )

    return decorate if function is None else decorate(function)
