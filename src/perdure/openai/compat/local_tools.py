"""Shells, patches, custom tools and computers: where the SDK's runner calls the user's own code."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any, cast

from agents import ComputerTool, RunContextWrapper

from perdure.durable import current
from perdure.openai import local_tools
from perdure.openai.compat.attribute import Attribute, Read
from perdure.openai.compat.point import Point
from perdure.openai.turns import for_call

_ACT = Point(
    "agents.run_internal.tool_actions:ComputerAction",
    "_execute_action_and_capture",
    "computer",
    "tool_call",
)
_EXECUTE = tuple(
    Point(f"agents.run_internal.tool_actions:{action}", "execute", "call")
    for action in ("LocalShellAction", "ShellAction", "CustomToolAction", "ApplyPatchAction")
)
_EXECUTE_ON_COMPUTER = Point("agents.run_internal.tool_actions:ComputerAction", "execute", "action")
_ACTIONS = Point("agents.run_internal.tool_actions:ComputerAction", "_iter_actions", "tool_call")
_RESOLVE = Point("agents.run_internal.tool_actions", "resolve_computer", "tool", "run_context")
_RESOLVE_FOR_MODEL = Point("agents.run_internal.tool_execution", "resolve_computer", "tool", "run_context")
_DISPOSE = Point("agents.run", "dispose_resolved_computers", "run_context")
_DISPOSE_STREAMED = Point("agents.run_internal.run_loop", "dispose_resolved_computers", "run_context")
_MADE_FOR_RUN = Point("agents.tool", "_computer_tool_uses_run_scoped_initializer", "tool")

_with_computers: weakref.WeakSet[RunContextWrapper[Any]] = weakref.WeakSet()
_disposals: set[asyncio.Task[None]] = set()  # asyncio itself holds tasks weakly


async def _execute(original: Any, *, call: Any, **arguments: Any) -> Any:
    with for_call(_call_id(call)):
        return await original(call=call, **arguments)


async def _execute_on_computer(original: Any, *, action: Any, **arguments: Any) -> Any:
    with for_call(_call_id(action)):
        return await original(action=action, **arguments)


def _call_id(of: Any) -> str | None:
    return cast("str | None", _field(of.tool_call, "call_id"))


async def _act(original: Any, computer: Any, tool_call: Any) -> str:
    _, iter_actions = _ACTIONS.find()
    names = [str(_field(action, "type")) for action in iter_actions(tool_call)]
    return await local_tools.act_on_computer(names, lambda: original(computer, tool_call))


def _field(action: Any, name: str) -> Any:
    return action.get(name) if isinstance(action, dict) else getattr(action, name, None)


async def _resolve(original: Any, *, tool: ComputerTool[Any], run_context: RunContextWrapper[Any]) -> Any:
    """A computer that is made for the run belongs to this process: it is made, and disposed of, once in
    each attempt.
    """
    context = current()
    assert context is not None
    _, made_for_run = _MADE_FOR_RUN.find()
    if not made_for_run(tool):
        return await original(tool=tool, run_context=run_context)
    if run_context not in _with_computers:
        _with_computers.add(run_context)
        context.at_end(lambda: _dispose_later(run_context))
    return await context.outside(lambda: original(tool=tool, run_context=run_context))


def _dispose_later(run_context: RunContextWrapper[Any]) -> None:
    _, dispose = _DISPOSE.find()
    task = asyncio.get_running_loop().create_task(dispose(run_context=run_context))
    _disposals.add(task)
    task.add_done_callback(_disposals.discard)


async def _dispose(original: Any, *, run_context: RunContextWrapper[Any]) -> None:
    context = current()
    assert context is not None
    if run_context in _with_computers:
        await context.outside(lambda: original(run_context=run_context))


RELIED_ON = (_ACTIONS, _MADE_FOR_RUN)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {
    **dict.fromkeys(_EXECUTE, _execute),
    _EXECUTE_ON_COMPUTER: _execute_on_computer,
    _ACT: _act,
    _RESOLVE: _resolve,
    _RESOLVE_FOR_MODEL: _resolve,
    _DISPOSE: _dispose,
    _DISPOSE_STREAMED: _dispose,
}
ATTRIBUTES: dict[Attribute, Read] = {
    Attribute("agents:LocalShellTool", "executor"): local_tools.executor,
    Attribute("agents:ShellTool", "executor"): (
        lambda tool, given: None if given is None else local_tools.executor(tool, given)
    ),
    Attribute("agents:CustomTool", "on_invoke_tool"): local_tools.custom_tool,
    Attribute("agents:ApplyPatchTool", "editor"): local_tools.Editor,
    Attribute("agents:ComputerTool", "on_safety_check"): local_tools.safety_check,
}
