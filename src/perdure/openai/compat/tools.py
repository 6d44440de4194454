"""Calls of function tools, and which tools an agent offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents import Agent, FunctionTool, RunContextWrapper
from agents.tool_context import ToolContext

from perdure.openai import agent_spans, effects, enabled_tools, final_output, tool_code, tools
from perdure.openai.compat import tool_functions
from perdure.openai.compat.attribute import Attribute, Read
from perdure.openai.compat.mcp import is_mcp_tool
from perdure.openai.compat.point import Point
from perdure.openai.turns import for_call

_INVOKE_TOOL = Point(
    "agents.run_internal.tool_execution",
    "_invoke_function_tool_with_metadata",
    "function_tool",
    "context",
    "arguments",
)
_ALL_TOOLS = Point("agents:Agent", "get_all_tools", "run_context")
_ENABLED_TOOLS = Point(
    "agents.run_internal.tool_execution", "resolve_enabled_function_tools", "agent", "context_wrapper"
)
_FINAL_OUTPUT = Point(
    "agents.run_internal.turn_resolution",
    "check_for_final_output_from_tools",
    "agent",
    "tool_results",
    "context_wrapper",
)
_PUBLIC_AGENT = Point("agents._public_agent", "get_public_agent", "agent")
_INVOCATION_RESULT = Point("agents.tool", "_FunctionToolInvocationResult", "output", "is_sdk_generated_error")


async def _invoke_tool(
    original: Any, *, function_tool: FunctionTool, context: ToolContext[Any], **call: Any
) -> Any:
    with for_call(context.tool_call_id):
        return await effects.surface(
            lambda: _invoke(original, function_tool=function_tool, context=context, **call),
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
        or tool_code.runs_agents(function)
        or tools.asks_for_restate_context(function, context)
    ):
        if options.once:
            raise effects.refuse_orchestrating(function_tool.name)
        return await original(function_tool=function_tool, context=context, arguments=arguments)
    agent_spans.step_is_the_tool_call()
    returns = tool_functions.output_type_of(function_tool)
    output, is_error = await tools.PlainTool(function_tool, context, options, returns, invoke).call()
    _, result_type = _INVOCATION_RESULT.find()
    return result_type(output, is_sdk_generated_error=is_error)


async def _offered(original: Any, agent: Agent[Any], run_context: RunContextWrapper[Any]) -> Any:
    _, public = _PUBLIC_AGENT.find()
    verdicts = await enabled_tools.ask(agent.tools, run_context, public(agent))
    with enabled_tools.decided(verdicts):
        return await original(agent, run_context)


async def _final_output(
    original: Any, agent: Agent[Any], tool_results: Any, context_wrapper: RunContextWrapper[Any]
) -> Any:
    def ask() -> Any:
        return original(agent, tool_results, context_wrapper)

    if not tool_results or not callable(agent.tool_use_behavior):
        return await ask()
    return await final_output.decide(tool_results, context_wrapper, ask)


RELIED_ON = (_INVOCATION_RESULT, _PUBLIC_AGENT)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {
    _INVOKE_TOOL: _invoke_tool,
    _ALL_TOOLS: _offered,
    _ENABLED_TOOLS: _offered,
    _FINAL_OUTPUT: _final_output,
}
ATTRIBUTES: dict[Attribute, Read] = {Attribute("agents:FunctionTool", "is_enabled"): enabled_tools.is_enabled}
