"""Tools whose effect must not repeat: `@function_tool(once=True, on_unknown=...)`, and effect() in a tool.

If nobody knows how a call went, the run ends: no error text for the model hides it, neither a tool's own nor
that of an agent which was called as a tool. A model that reads "an error occurred, please try again" would
call again, with a new call id, and the other side would take it for another payment.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from agents import AgentsException
from agents.tool_context import ToolContext

from perdure.durable import Happened, Judge, NotHappened, Outcome, current
from perdure.durable.effect import OnUnknown, note_unknown, noting_unknown
from perdure.durable.step import final
from perdure.errors import EffectUnknown, NotDurable
from perdure.openai.approvals import Decision, Question, ask_human

R = TypeVar("R")


class ToolEffectUnknown(EffectUnknown, AgentsException):
    """EffectUnknown, as the SDK lets it out of a run: with `run_data`, and not as a UserError."""

    def __init__(self, unknown: EffectUnknown) -> None:
        AgentsException.__init__(self, *unknown.args)
        self.effect, self.key = unknown.effect, unknown.key


async def surface(call: Callable[[], Awaitable[R]], hides_error: Callable[[R], bool]) -> R:
    """Call a tool. Raises ToolEffectUnknown for an EffectUnknown in there.

    hides_error: whether a result may be text that was made of an error, and not by the tool's own function.
    """
    with noting_unknown() as noted:
        try:
            result = await call()
        except EffectUnknown as unknown:
            error = ToolEffectUnknown(unknown)
        else:
            if not noted or not hides_error(result):
                return result
            error = ToolEffectUnknown(noted[0])
    note_unknown(error)  # to the tool around this one
    raise final(error)


def refuse_orchestrating(tool: str) -> NotDurable:
    """Fail the run for a tool with once=True that is no step, so that there is nothing to claim."""
    context = current()
    assert context is not None
    return context.fail(
        NotDurable(
            f"tool {tool!r} has once=True, and orchestrates steps: it asks for the restate context. A claim "
            "is for one step. In the tool, await effect(...) in place of await step(...) where it must not "
            "repeat, and leave once=True out; or let the tool not ask for the context"
        )
    )


# ---- a human decides


async def _ask(unknown: EffectUnknown) -> Outcome[Any]:
    return _decided(unknown, await ask_human(Question(tool=unknown.effect, reason=_reason(unknown))))


def about_call(on_unknown: OnUnknown[Any], context: ToolContext[Any]) -> OnUnknown[Any]:
    """The same, but a human who is asked sees the tool call in question."""
    return Judge(partial(_ask_about_call, context)) if on_unknown is ASK_HUMAN else on_unknown


async def _ask_about_call(context: ToolContext[Any], unknown: EffectUnknown) -> Outcome[Any]:
    """As where a tool needs approval, the message of a rejection is what the model reads in place of its
    output.
    """
    question = Question(
        tool=unknown.effect,
        arguments=_json(context.tool_arguments),
        call_id=context.tool_call_id,
        agents=(context.agent.name,) if context.agent is not None else (),
        reason=_reason(unknown),
    )
    decision = await ask_human(question)
    if not decision.approved and decision.message:
        return Happened(decision.message)
    return _decided(unknown, decision)


def _decided(unknown: EffectUnknown, decision: Decision) -> NotHappened:
    if decision.approved:
        return NotHappened()
    because = f" ({decision.message})" if decision.message else ""
    why = f"a human was asked, and did not want it started again{because}"
    raise final(EffectUnknown(unknown.effect, unknown.key, why))


def _reason(unknown: EffectUnknown) -> str:
    return (
        f"it may have taken place already, with idempotency key {unknown.key}, and its result is lost. "
        "Approve to start it again with that key; reject if it must not be"
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


ASK_HUMAN: Judge[Any] = Judge(_ask)
"""For `on_unknown`: an approval that waits until somebody decides. Approved, the action is started again,
with the same idempotency key. Rejected, it is EffectUnknown; but a tool's output is the rejection's message.
"""
