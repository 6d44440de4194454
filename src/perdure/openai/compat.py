"""The only file that touches private names of the Agents SDK.

We do not wrap agents, models or tools: identity matters to cyclic handoffs, to `result.last_agent is
agent`, to `isinstance` checks on models. We replace four functions through which the SDK's runner reaches
the outside world. Each replacement asks first whether it runs on a deterministic loop, and if not, it is
the SDK's own function.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

from agents import Agent, FunctionTool, ModelResponse
from agents.tool_context import ToolContext

from perdure.durable import ONCE, current, on_deterministic_loop
from perdure.errors import IncompatibleSDK
from perdure.openai import model, sessions, tools


class _Point:
    """A function of the SDK by the name under which its runner calls it, and the parameters that we rely
    on.
    """

    def __init__(self, module: str, name: str, *parameters: str) -> None:
        self.module, self.name, self.parameters = module, name, parameters

    def find(self) -> tuple[Any, Callable[..., Any]]:
        """The holder (module or class) and the function; IncompatibleSDK if it is not as we know it."""
        module, _, cls = self.module.partition(":")
        try:
            holder = importlib.import_module(module)
            holder = getattr(holder, cls) if cls else holder
            function = getattr(holder, self.name)
            known = inspect.signature(function).parameters
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise self._incompatible(f"is missing ({error})") from error
        if missing := [name for name in self.parameters if name not in known]:
            raise self._incompatible(f"has no parameter {', '.join(missing)}")
        return holder, function

    def _incompatible(self, what: str) -> IncompatibleSDK:
        installed = importlib.metadata.version("openai-agents")
        wanted = next(
            (r for r in importlib.metadata.requires("perdure") or [] if r.startswith("openai-agents")),
            "openai-agents",
        )
        return IncompatibleSDK(
            f"openai-agents {installed} is installed, and its {self.module.replace(':', '.')}.{self.name} "
            f"{what}. This version of Perdure works with {wanted}"
        )


_GET_RESPONSE = _Point(
    "agents.run_internal.run_loop", "get_response_with_retry", "get_response", "retry_settings", "rewind"
)
_STREAM_RESPONSE = _Point("agents.run_internal.run_loop", "stream_response_with_retry", "get_stream")
_INVOKE_TOOL = _Point(
    "agents.run_internal.tool_execution",
    "_invoke_function_tool_with_metadata",
    "function_tool",
    "context",
    "arguments",
)
_CALL_SESSION = _Point("agents.run_internal.session_persistence", "_call_session_method", "method", "wrapper")
_ALL_TOOLS = _Point("agents:Agent", "get_all_tools", "run_context")
_CLOSE_PROVIDER = _Point("agents.run", "_close_runner_owned_model_provider", "model_provider")
_RETRIES_OFF = _Point("agents.models._retry_runtime", "provider_managed_retries_disabled", "disabled")
_INVOCATION_RESULT = _Point(
    "agents.tool", "_FunctionToolInvocationResult", "output", "is_sdk_generated_error"
)


def install() -> None:
    """Put our functions in the place of the SDK's. Once in a process; IncompatibleSDK leaves the SDK
    untouched.
    """
    replacements: list[tuple[_Point, Callable[..., Any]]] = [
        (_GET_RESPONSE, _get_response),
        (_STREAM_RESPONSE, _stream_response),
        (_INVOKE_TOOL, _invoke_tool),
        (_CALL_SESSION, _call_session),
        (_ALL_TOOLS, _all_tools),
        (_CLOSE_PROVIDER, _close_provider),
    ]
    _RETRIES_OFF.find()
    _INVOCATION_RESULT.find()
    found = [(*point.find(), point.name, replacement) for point, replacement in replacements]
    for holder, original, name, replacement in found:
        if not hasattr(original, "__perdure__"):
            setattr(holder, name, _durable_or(original, replacement))


def _durable_or(original: Callable[..., Any], replacement: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def choose(*args: Any, **options: Any) -> Any:
        if on_deterministic_loop():
            return replacement(original, *args, **options)
        return original(*args, **options)

    choose.__perdure__ = True  # type: ignore[attr-defined]
    return choose


async def _get_response(
    original: Any, *, get_response: Any, retry_settings: Any, **options: Any
) -> ModelResponse:
    _, retries_off = _RETRIES_OFF.find()
    # With ModelSettings(retry=...) the runner itself makes the tries, and each is one step of one try.
    retry = ONCE if retry_settings is not None and retry_settings.max_retries else model.RETRY

    async def journaled() -> ModelResponse:
        with retries_off(True):
            return await model.call_model(get_response, retry)

    response: ModelResponse = await original(get_response=journaled, retry_settings=retry_settings, **options)
    return response


def _stream_response(_original: Any, **_options: Any) -> AsyncIterator[Any]:
    model.refuse_streaming()


async def _invoke_tool(
    original: Any, *, function_tool: FunctionTool, context: ToolContext[Any], arguments: str
) -> Any:
    async def invoke() -> tuple[Any, bool]:
        result = await original(function_tool=function_tool, context=context, arguments=arguments)
        return result.output, result.is_sdk_generated_error

    if function_tool._is_agent_tool or tools.asks_for_restate_context(_function_of(function_tool), context):
        return await original(function_tool=function_tool, context=context, arguments=arguments)
    output, is_error = await tools.call_tool(function_tool.name, invoke)
    _, result_type = _INVOCATION_RESULT.find()
    return result_type(output, is_sdk_generated_error=is_error)


def _function_of(tool: FunctionTool) -> Callable[..., Any]:
    """The function that the user wrote, behind @function_tool or given as on_invoke_tool."""
    wrapped = getattr(tool.on_invoke_tool, "_get_wrapped_callable", None)
    function = wrapped() if wrapped is not None else tool.on_invoke_tool
    return function if callable(function) else tool.on_invoke_tool


async def _call_session(original: Any, method: Any, /, *args: Any, **options: Any) -> Any:
    return await sessions.call_session(method, lambda: original(method, *args, **options))


async def _all_tools(original: Any, agent: Agent[Any], *args: Any, **options: Any) -> Any:
    tools.refuse_undurable(agent)
    return await original(agent, *args, **options)


async def _close_provider(original: Any, model_provider: Any) -> None:
    """The provider's connections belong to the real loop, and closing them is no part of the run."""
    context = current()
    assert context is not None
    context.detach(lambda: original(model_provider))
