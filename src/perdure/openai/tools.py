"""Function tools: one step each, but for those that orchestrate steps of their own.

A tool runs on the deterministic loop, and not in a step, when it asks for the Restate context: its first
parameter is annotated as RunContextWrapper or ToolContext, it is async, and the run was given
`context=ctx`. So do agents as tools.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable
from typing import Any

import restate
from agents import (
    Agent,
    ApplyPatchTool,
    ComputerTool,
    CustomTool,
    LocalShellTool,
    RunContextWrapper,
    ShellTool,
)
from agents.tool_context import ToolContext

from perdure.durable import current, values
from perdure.errors import NotDurable
from perdure.openai.context_changes import step_in_context

T = typing.TypeVar("T")


def asks_for_restate_context(function: Callable[..., object], context: ToolContext[Any]) -> bool:
    """Whether a tool's function is orchestrating code in this run."""
    return isinstance(context.context, restate.Context) and _is_async(function) and _takes_wrapper(function)


def _is_async(function: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _takes_wrapper(function: Callable[..., object]) -> bool:
    try:
        parameters = list(inspect.signature(function).parameters.values())
        hints = typing.get_type_hints(function)
    except (TypeError, ValueError, NameError):
        return False
    if not parameters:
        return False
    annotation = hints.get(parameters[0].name)
    return (typing.get_origin(annotation) or annotation) in (RunContextWrapper, ToolContext)


async def call_tool(
    name: str, context: RunContextWrapper[Any], invoke: Callable[[], Awaitable[tuple[Any, bool]]]
) -> tuple[Any, bool]:
    """Call a plain tool as one step.

    invoke: calls the tool, its failure_error_function included, and returns its output and whether the SDK
        made that output of an error. A tool that raises behaves as without Perdure: it is not tried again,
        and its error goes to the model as text, or out of the run if it has no failure_error_function.
    """

    async def act() -> dict[str, Any]:
        output, is_error = await invoke()
        return (
            {"output": _journalable(output), "is_error": True}
            if is_error
            else {"output": _journalable(output)}
        )

    recorded: dict[str, Any] = await step_in_context(name, context, act)
    return recorded["output"], recorded.get("is_error", False)


def _journalable(output: Any) -> Any:
    """The output itself, or, where JSON cannot give it back, the text that the model sees of it."""
    try:
        values.to_json(output)
    except TypeError:
        return str(output)
    return output


def refuse_undurable(agent: Agent[Any]) -> None:
    """Refuse what an agent has that acts on the world from the deterministic loop, outside of any step."""
    context = current()
    assert context is not None
    if agent.mcp_servers:
        names = ", ".join(repr(server.name) for server in agent.mcp_servers)
        raise context.fail(
            NotDurable(
                f"agent {agent.name!r} has MCP servers ({names}), which this version of Perdure cannot "
                "journal. Wrap the calls that you need in function tools: each of those is one step"
            )
        )
    for tool in agent.tools:
        local = isinstance(tool, ComputerTool | LocalShellTool | ApplyPatchTool | CustomTool) or (
            isinstance(tool, ShellTool) and tool.executor is not None
        )
        if local:
            raise context.fail(
                NotDurable(
                    f"agent {agent.name!r} has a {type(tool).__name__}, which acts on this machine outside "
                    "of any step, and this version of Perdure cannot journal it. Write it as a function "
                    "tool: that is one step"
                )
            )
