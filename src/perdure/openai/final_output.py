"""A function as tool_use_behavior decides whether tools' outputs end the run: one step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from agents import FunctionToolResult, RunContextWrapper, ToolsToFinalOutputResult

from perdure.durable import values
from perdure.durable.step import Codec
from perdure.openai.context_changes import step_in_context


async def decide(
    results: Sequence[FunctionToolResult],
    run_context: RunContextWrapper[Any],
    ask: Callable[[], Awaitable[ToolsToFinalOutputResult]],
) -> ToolsToFinalOutputResult:
    """What the function, called by `ask`, decided."""

    async def act() -> ToolsToFinalOutputResult:
        return await ask()

    return await step_in_context("tool_use_behavior", run_context, act, codec=_codec(results))


def _codec(results: Sequence[FunctionToolResult]) -> Codec[ToolsToFinalOutputResult]:
    """An output of a tool that becomes the final one is in the journal already: its place will do."""

    def to_json(result: ToolsToFinalOutputResult) -> tuple[values.Json, dict[str, str]]:
        for at, each in enumerate(results):
            if each.output is result.final_output and each.output is not None:
                return {"is_final_output": result.is_final_output, "output_of": at}, {}
        return values.to_json(
            {"is_final_output": result.is_final_output, "final_output": result.final_output}
        )

    def from_json(plain: values.Json, types: dict[str, str]) -> ToolsToFinalOutputResult:
        entry = values.from_json(plain, types)
        output = results[entry["output_of"]].output if "output_of" in entry else entry["final_output"]
        return ToolsToFinalOutputResult(is_final_output=entry["is_final_output"], final_output=output)

    return Codec(to_json, from_json)
