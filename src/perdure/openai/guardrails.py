"""Guardrails: the verdict of each is one journal entry, `guardrail <name>`, so no replay judges again.

A plain function is one step. An async one runs on the deterministic loop, where it may run agents and make
steps of its own; its verdict is journaled when it is known. A replay goes through it once more, with the
recorded answers, and then the recorded verdict counts, whatever the function says this time.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from agents import GuardrailFunctionOutput, RunContextWrapper, ToolGuardrailFunctionOutput
from pydantic_core import to_jsonable_python

from perdure.durable import ONCE, step, values
from perdure.durable.step import is_async
from perdure.openai.context_changes import step_in_context

Verdict = TypeVar("Verdict", GuardrailFunctionOutput, ToolGuardrailFunctionOutput)


async def journaled_verdict(
    cls: type[Verdict],
    name: str,
    run_context: RunContextWrapper[Any],
    function: Callable[..., Any],
    *data: Any,
) -> Verdict:
    """What the guardrail `function(*data)` says, once in the life of the invocation.

    Where the journal cannot hold the object in the verdict's `output_info` (its class is defined in a
    function, say), it is that object as JSON, or else its text. An error of a plain function is journaled and
    not tried again; an async function fails as its own steps do.
    """
    entry = f"guardrail {name}"
    if is_async(function):
        verdict = await function(*data)

        async def record() -> dict[str, Any]:
            return _fields(cls, verdict)

        return cls(**await step(entry, record, retry=ONCE))

    async def judge() -> dict[str, Any]:  # not in a thread: as in the SDK, they judge one after another
        said = function(*data)
        return _fields(cls, await said if inspect.isawaitable(said) else said)

    fields: dict[str, Any] = await step_in_context(entry, run_context, judge)
    return cls(**fields)


def _fields(cls: type[Any], verdict: Any) -> dict[str, Any]:
    fields = {field.name: getattr(verdict, field.name) for field in dataclasses.fields(cls)}
    return fields | {"output_info": _journaled(fields["output_info"])}


def _journaled(info: Any) -> Any:
    try:
        values.to_json(info)
        return info
    except TypeError:
        pass
    try:
        plain = to_jsonable_python(info)
        values.to_json(plain)
        return plain
    except Exception:  # serializers of the user may raise anything
        return str(info)
