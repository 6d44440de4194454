"""Guardrails: the four `run` methods through which the runner asks them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents import (
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailResult,
    OutputGuardrail,
    OutputGuardrailResult,
    RunContextWrapper,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolInputGuardrailData,
    ToolOutputGuardrail,
)

from perdure.openai.compat.point import Point
from perdure.openai.guardrails import journaled_verdict
from perdure.openai.turns import for_call, turn_of

_INPUT = Point("agents:InputGuardrail", "run", "agent", "input", "context")
_OUTPUT = Point("agents:OutputGuardrail", "run", "context", "agent", "agent_output")
_TOOL_INPUT = Point("agents:ToolInputGuardrail", "run", "data")
_TOOL_OUTPUT = Point("agents:ToolOutputGuardrail", "run", "data")


async def _judge_input(
    original: Any,
    guardrail: InputGuardrail[Any],
    agent: Any,
    input: Any,  # noqa: A002 - the SDK's name
    context: RunContextWrapper[Any],
) -> InputGuardrailResult:
    function = guardrail.guardrail_function
    if not callable(function):  # the SDK says so better
        return await original(guardrail, agent, input, context)
    with turn_of(agent.name):
        output = await journaled_verdict(
            GuardrailFunctionOutput, guardrail.get_name(), context, function, context, agent, input
        )
    return InputGuardrailResult(guardrail=guardrail, output=output)


async def _judge_output(
    original: Any,
    guardrail: OutputGuardrail[Any],
    context: RunContextWrapper[Any],
    agent: Any,
    agent_output: Any,
) -> OutputGuardrailResult:
    function = guardrail.guardrail_function
    if not callable(function):
        return await original(guardrail, context, agent, agent_output)
    with turn_of(agent.name):
        output = await journaled_verdict(
            GuardrailFunctionOutput, guardrail.get_name(), context, function, context, agent, agent_output
        )
    return OutputGuardrailResult(guardrail=guardrail, agent=agent, agent_output=agent_output, output=output)


async def _judge_tool(
    original: Any, guardrail: ToolInputGuardrail[Any] | ToolOutputGuardrail[Any], data: ToolInputGuardrailData
) -> ToolGuardrailFunctionOutput:
    function = guardrail.guardrail_function
    if not callable(function):
        return await original(guardrail, data)
    with for_call(data.context.tool_call_id):
        return await journaled_verdict(
            ToolGuardrailFunctionOutput, guardrail.get_name(), data.context, function, data
        )


RELIED_ON: tuple[Point, ...] = ()
REPLACEMENTS: dict[Point, Callable[..., Any]] = {
    _INPUT: _judge_input,
    _OUTPUT: _judge_output,
    _TOOL_INPUT: _judge_tool,
    _TOOL_OUTPUT: _judge_tool,
}
