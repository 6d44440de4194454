"""Function tools, and the tools that an agent offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents import Agent, FunctionTool
from agents.tool_context import ToolContext

from perdure.openai import tools
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


async def _invoke_tool(
    original: Any, *, function_tool: FunctionTool, context: ToolContext[Any], arguments: str
) -> Any:
    async def invoke() -> tuple[Any, bool]:
        result = await original(function_tool=function_tool, context=context, arguments=arguments)
        return result.output, result.is_sdk_generated_error

    if function_tool._is_agent_tool or tools.asks_for_restate_context(_function_of(function_tool), context):
        return await original(function_tool=function_tool, context=context, arguments=arguments)
    output, is_error = await tools.call_tool(function_tool.name, context, invoke)
    _, result_type = _INVOCATION_RESULT.find()
    return result_type(output, is_sdk_generated_error=is_error)


def _function_of(tool: FunctionTool) -> Callable[..., Any]:
    """The function that the user wrote, behind @function_tool or given as on_invoke_tool."""
    wrapped = getattr(tool.on_invoke_tool, "_get_wrapped_callable", None)
    function = wrapped() if wrapped is not None else tool.on_invoke_tool
    return function if callable(function) else tool.on_invoke_tool


async def _all_tools(original: Any, agent: Agent[Any], *args: Any, **options: Any) -> Any:
    tools.refuse_undurable(agent)
    return await original(agent, *args, **options)


RELIED_ON = (_INVOCATION_RESULT,)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {_INVOKE_TOOL: _invoke_tool, _ALL_TOOLS: _all_tools}
