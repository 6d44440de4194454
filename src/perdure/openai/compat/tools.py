"""Calls of function tools, and which tools an agent offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents import Agent, FunctionTool
from agents.tool_context import ToolContext

from perdure.openai import effects, tools
from perdure.openai.compat import tool_functions
from perdure.openai.compat.mcp import is_mcp_tool
from perdure.openai.compat.point import Point

_INVOKE_TOOL = Point(
    "agents.run_internal.tool_execution",
    "_invoke_function_tool_with_metadata",
    "function_tool",
    "context",
    "arguments",
)
_ALL_TOOLS = Point("agents:Agent", "get_all_tools", "run_context")
_INVOCATION_RESULT = Point("agents.tool", "_FunctionToolInvocationResult", "output", "is_sdk_generated_error")


async def _invoke_tool(original: Any, *, function_tool: FunctionTool, **call: Any) -> Any:
    return await effects.surface(
        lambda: _invoke(original, function_tool=function_tool, **call),
        lambda result: function_tool._is_agent_tool or bool(result.is_sdk_generated_error),
    )


async def _invoke(
    original: Any, *, function_tool: FunctionTool, context: ToolContext[Any], arguments: str
) -> Any:
    async def invoke() -> tuple[Any, bool]:
        result = await original(function_tool=function_tool, context=context, arguments=arguments)
        return result.output, result.is_sdk_generated_error

    options = tool_functions.options_of(function_tool)
    function = tool_functions.function_of(function_tool)
    if (
        options.orchestrates
        or function_tool._is_agent_tool
        or is_mcp_tool(function_tool)
        or tools.asks_for_restate_context(function, context)
    ):
        return await original(function_tool=function_tool, context=context, arguments=arguments)
    returns = tool_functions.output_type_of(function_tool)
    output, is_error = await tools.PlainTool(function_tool, context, options, returns, invoke).call()
    _, result_type = _INVOCATION_RESULT.find()
    return result_type(output, is_sdk_generated_error=is_error)


async def _all_tools(original: Any, agent: Agent[Any], *args: Any, **options: Any) -> Any:
    tools.refuse_undurable(agent)
    return await original(agent, *args, **options)


RELIED_ON = (_INVOCATION_RESULT,)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {_INVOKE_TOOL: _invoke_tool, _ALL_TOOLS: _all_tools}
