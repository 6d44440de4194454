"""The function behind a function tool, and what Perdure keeps with it.

A FunctionTool is copied freely (`dataclasses.replace`, `copy`, namespaces), and each copy has an invoker of
its own. The innermost function is the one thing that all copies share, so our options are kept there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from agents import FunctionTool
from pydantic import TypeAdapter

from perdure.openai import tool_options, tools
from perdure.openai.compat.point import Point
from perdure.openai.tool_options import ToolOptions

_INVOKER = Point("agents.tool:_FailureHandlingFunctionToolInvoker", "__init__", "invoke_tool_impl")
_WRAPPED = Point("agents.tool:_FailureHandlingFunctionToolInvoker", "_get_wrapped_callable")


def attach(tool: FunctionTool, options: ToolOptions) -> FunctionTool:
    """Keep the options with a new tool of the SDK's decorator, and let its errors be judged by them."""
    invoker: Any = tool.on_invoke_tool
    function = invoker._invoke_tool_impl

    @functools.wraps(function)  # with the marks that the SDK has put on it
    async def invoke(context: Any, arguments: str) -> Any:
        return await tool_options.judged(options, tool.name, lambda: function(context, arguments))

    invoke.__perdure_tool__ = options  # type: ignore[attr-defined]
    invoker._invoke_tool_impl = invoke
    return tool


def options_of(tool: FunctionTool) -> ToolOptions:
    function = getattr(tool.on_invoke_tool, "_invoke_tool_impl", tool.on_invoke_tool)
    options = getattr(function, "__perdure_tool__", None)
    return options if isinstance(options, ToolOptions) else ToolOptions()


def function_of(tool: FunctionTool) -> Callable[..., Any]:
    """The function that the user wrote, behind @function_tool or given as on_invoke_tool."""
    wrapped = getattr(tool.on_invoke_tool, "_get_wrapped_callable", None)
    function = wrapped() if wrapped is not None else tool.on_invoke_tool
    return function if callable(function) else tool.on_invoke_tool


def output_type_of(tool: FunctionTool) -> TypeAdapter[Any] | None:
    """What describes the tool's outputs: its declared output type, or its return annotation."""
    return tool._output_type_adapter or tools.return_type(function_of(tool))


RELIED_ON = (_INVOKER, _WRAPPED)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {}
