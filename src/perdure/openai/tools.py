"""Function tools: one step each, but for those that orchestrate steps of their own.

A tool runs on the deterministic loop, and not in a step, when it is made with `@durable_tool`, when it is an
agent, when it is async and names `Runner` or `DurableRunner` in its code (tool_code.py), and when it asks for
the Restate context: its first parameter is annotated as RunContextWrapper or ToolContext, it is async, and
the run was given `context=ctx`.
"""

from __future__ import annotations

import asyncio
import inspect
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import restate
from agents import FunctionTool, RunContextWrapper
from agents.tool_context import ToolContext
from pydantic import TypeAdapter

from perdure.durable import current, failures
from perdure.durable.effect import Happened, Judge, OnUnknown, claims, settled
from perdure.durable.step import Codec, is_async
from perdure.errors import StepFailed, ToolFailed
from perdure.openai import agent_spans, effects, step_calls, tool_output
from perdure.openai.context_changes import step_in_context
from perdure.openai.tool_options import Attempt, ToolOptions, TryAgain, begin

Entry = dict[str, Any]
"""What a step of a tool returns: `output`, or `cancelled`, or `again_in_ms`. Beside an output that the SDK
made of an error, `is_error`; and `span_error`, which the tool call's span has got.
"""


def asks_for_restate_context(function: Callable[..., object], context: ToolContext[Any]) -> bool:
    """Whether a tool's function is orchestrating code in this run."""
    return isinstance(context.context, restate.Context) and is_async(function) and takes_wrapper(function)


def takes_wrapper(function: Callable[..., object]) -> bool:
    parameters = _parameters(function)
    annotation = _hints(function).get(parameters[0]) if parameters else None
    return (typing.get_origin(annotation) or annotation) in (RunContextWrapper, ToolContext)


def _parameters(function: Callable[..., object]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:  # names that only exist for a type checker
        return {}


def return_type(function: Callable[..., object]) -> TypeAdapter[Any] | None:
    """What describes the values that a tool's function returns, by its annotation."""
    return tool_output.adapter(_hints(function).get("return"))


@dataclass(frozen=True)
class PlainTool:
    """One call of a tool that is a step.

    invoke: calls the tool, its failure_error_function included, and returns its output and whether the SDK
        made that output of an error.
    returns: what describes the outputs, if they are annotated.
    """

    tool: FunctionTool
    context: ToolContext[Any]
    options: ToolOptions
    returns: TypeAdapter[Any] | None
    invoke: Callable[[], Awaitable[tuple[Any, bool]]]

    async def call(self) -> tuple[Any, bool]:
        """Its output, and whether the SDK made that of an error.

        A tool that raises behaves as without Perdure: unless its `retry` says so it is not tried again, and
        its error goes to the model as text, or out of the run if it has no failure_error_function.
        """
        context = current()
        assert context is not None
        key = context.idempotency_key(self.context.tool_call_id)
        number = 1
        while "again_in_ms" in (entry := await self._step(key, number)):
            await context.sleep_ms(entry["again_in_ms"])
            number += 1
        if "span_error" in entry:
            agent_spans.put_error(entry["span_error"])
        if "cancelled" in entry:
            raise asyncio.CancelledError(*entry["cancelled"])
        return tool_output.from_json(entry, self.returns), entry.get("is_error", False)

    async def _step(self, key: str, number: int) -> Entry:
        context = current()
        assert context is not None
        name, act = self.tool.name, partial(self._act, number)
        start: Callable[..., Awaitable[Entry]] = partial(
            step_in_context, name, self.context, act, codec=_CODEC, key=key, agent=self.context.agent
        )
        if not self.options.once:
            return await start()
        start = partial(start, claim=claims(context, name, key))
        return await settled(context, start, self._on_unknown(), _CODEC)

    async def _act(self, number: int) -> Entry:
        step_calls.tool_called(self.tool.name, self.context.tool_call_id)
        attempt = Attempt(self.options, number)
        begin(attempt)
        try:
            try:
                output, is_error = await self.invoke()
            except Exception as error:
                attempt.raise_again(error)  # what the SDK itself raised: a time-out
                raise
        except TryAgain as again:
            return {
                "again_in_ms": again.delay_ms,
                "error": f"{type(again.error).__qualname__}: {again.error}",
            }
        except asyncio.CancelledError as error:  # the tool's own doing: if we are cancelled, nobody hears us
            return {"cancelled": [str(argument) for argument in error.args]}
        told = {"is_error": is_error, "span_error": agent_spans.error_of_call()}
        return self._entry(output) | {name: value for name, value in told.items() if value}

    def _entry(self, output: Any) -> Entry:
        text = tool_output.keeps_text(self.tool, self.context.agent)
        return tool_output.to_json(output, self.returns, text)

    def _on_unknown(self) -> OnUnknown[Entry]:
        """The user's decision, in terms of entries instead of outputs."""
        decide = effects.about_call(self.options.on_unknown, self.context)
        if isinstance(decide, str):
            return decide
        if isinstance(decide, Judge):
            return replace(decide, decide=partial(self._decided, decide.decide))
        return partial(self._decided, decide)

    async def _decided(self, decide: Callable[[Any], Any], about: Any) -> Any:
        outcome = decide(about)
        outcome = await outcome if inspect.isawaitable(outcome) else outcome
        return Happened(self._entry(outcome.result)) if isinstance(outcome, Happened) else outcome


def tool_failure(step: str, failure: failures.Failure) -> BaseException:
    """The tool's error; where it cannot be rebuilt, one with the same text, which is what the SDK shows."""
    error = failures.from_json(step, failure)
    if type(error) is StepFailed:
        return ToolFailed(error.step, error.type_name, error.message)
    return error


_CODEC: Codec[Any] = Codec(failure_from_json=tool_failure)
