"""Tools that act on this machine by the user's own code: shells, patches, custom tools, computers.

The user gives the SDK an executor, an editor, a computer; each call of it is one step. An error of theirs is
an outcome like any other, told to the model where the SDK does so, and not tried again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from agents import ApplyPatchOperation
from agents.tool import ComputerToolSafetyCheckData
from agents.tool_context import ToolContext

from perdure.durable import values
from perdure.durable.step import Codec
from perdure.openai import approvals
from perdure.openai.context_changes import step_in_context
from perdure.openai.tools import tool_failure

Executor = Callable[[Any], Any]


def _text_to_json(output: Any) -> tuple[values.Json, dict[str, str]]:
    try:
        return values.to_json(output)
    except TypeError:
        return str(output), {}


_CODEC: Codec[Any] = Codec(failure_from_json=tool_failure)
# The SDK makes text of all but its own results, so text is enough for what JSON cannot give back.
_TEXT: Codec[Any] = Codec(to_json=_text_to_json, failure_from_json=tool_failure)


def executor(tool: Any, given: Executor) -> Executor:
    """The executor of a shell tool: one step, named after the tool."""

    async def execute(request: Any) -> Any:
        return await step_in_context(tool.name, request.ctx_wrapper, partial(given, request), codec=_TEXT)

    execute.__perdure_given__ = given  # type: ignore[attr-defined]
    return execute


def custom_tool(tool: Any, given: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a custom tool: one step, named after the tool."""

    async def invoke(context: ToolContext[Any], text: str) -> Any:
        return await step_in_context(tool.name, context, partial(given, context, text), codec=_TEXT)

    invoke.__perdure_given__ = given  # type: ignore[attr-defined]
    return invoke


class Editor:
    """The editor of an apply_patch tool: each operation is one step, named after the tool."""

    def __init__(self, tool: Any, given: Any) -> None:
        self._tool = tool
        self.__perdure_given__ = given

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__perdure_given__, name)

    async def create_file(self, operation: ApplyPatchOperation) -> Any:
        return await self._apply(self.__perdure_given__.create_file, operation)

    async def update_file(self, operation: ApplyPatchOperation) -> Any:
        return await self._apply(self.__perdure_given__.update_file, operation)

    async def delete_file(self, operation: ApplyPatchOperation) -> Any:
        return await self._apply(self.__perdure_given__.delete_file, operation)

    async def _apply(self, apply: Executor, operation: ApplyPatchOperation) -> Any:
        action = partial(apply, operation)
        return await step_in_context(self._tool.name, operation.ctx_wrapper, action, codec=_CODEC)


async def act_on_computer(actions: list[str], act: Callable[[], Awaitable[str]]) -> str:
    """One step for all actions of a computer call, and the screenshot after them, which is returned.

    actions: what the model asks for, `click`, `type`.
    """
    name = f"computer {', '.join(actions) or 'screenshot'}"
    return await step_in_context(name, None, _as_async(act), codec=_CODEC)


def safety_check(_tool: Any, given: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """The function that acknowledges doubts of the provider; what it says is journaled."""
    if given is None:
        return None

    async def acknowledge(data: ComputerToolSafetyCheckData) -> bool:
        return await approvals.on_safety_check(data.ctx_wrapper, given, (data,))

    acknowledge.__perdure_given__ = given  # type: ignore[attr-defined]
    return acknowledge


def _as_async(act: Callable[[], Awaitable[str]]) -> Callable[[], Awaitable[str]]:
    async def perform() -> str:
        return await act()

    return perform
