"""Models that keep something open in the process between two calls of a run.

OpenAI's hosted multi-agent model does: its response waits on a websocket for the outputs of tools, and the
next call goes on with it. It can be reached over that websocket only, so it belongs to the attempt that asked
for it, and is closed with the run or with the attempt, whatever comes first. An attempt that finds an answer
in the journal whose response is gone must not ask anew: the model would begin its work from the start, in
silence, and be paid twice.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from agents import Model

from perdure.durable import current
from perdure.durable.context import enclosing_step
from perdure.openai.compat.point import Point

T = TypeVar("T")

_CLEAN_UP = Point("agents.run", "cleanup_models_after_run", "tool_use_tracker")
_CLEAN_UP_STREAMED = Point("agents.run_internal.run_loop", "cleanup_models_after_run", "tool_use_tracker")
_OWNER = Point("agents.models._run_context", "get_model_run_owner")
_CLOSE = Point("agents:Model", "_cleanup_on_run_end", "owner")

# By their names, for they are experimental: importing them would cost everybody, and they may move.
_HOSTED = frozenset({"OpenAIHostedMultiAgentModel"})


@dataclass
class OpenResponse:
    """What one run has open with one model, in this attempt.

    answers: how many calls the run has an answer of, those of earlier attempts included.
    asked_here: whether this attempt has made a call, so that what is open is open here.
    """

    model: Model
    answers: int = 0
    asked_here: bool = False

    def asked(self, ask: Callable[[], T]) -> T:
        """Call `ask`, in the step of a model call. Raises NotDurable, which fails the run, where the response
        that it would go on with is gone.
        """
        scope = enclosing_step()
        if self.answers and not self.asked_here and scope is not None and _is_hosted(self.model):
            raise scope.refuse(
                f"the response of {type(self.model).__name__} that waited for outputs of tools was open in "
                "an attempt of this run that has ended: its process died, or a tool took so long that it was "
                "suspended. Such a response cannot be found again, and a new one would begin all of its work "
                "anew. Restart the invocation; or let the whole run of this agent be one step, "
                "step(name, ask_agent), where ask_agent awaits Runner.run(...), with "
                "DurableOptions(agents_in_steps='allow')"
            )
        self.asked_here = True
        return ask()


# By the runner's own object for a run, of which each attempt has another one.
_runs: weakref.WeakKeyDictionary[Any, OpenResponse] = weakref.WeakKeyDictionary()
_closing: set[asyncio.Task[None]] = set()  # asyncio itself holds tasks weakly


def of_call(get_retry_advice: Any) -> OpenResponse | None:
    """Of the run that is about to call a model on the loop; None if that model keeps nothing open.

    get_retry_advice: the bound method of the model that the runner hands around.
    """
    model = getattr(get_retry_advice, "__self__", None)
    context = current()
    _, owner_of_call = _OWNER.find()
    owner = owner_of_call()
    if not isinstance(model, Model) or not _keeps_open(model) or context is None or owner is None:
        return None
    if owner not in _runs:
        _runs[owner] = OpenResponse(model)
        context.at_end(lambda: _close_later(model, owner))
    return _runs[owner]


def _keeps_open(model: Model) -> bool:
    return type(model)._cleanup_on_run_end is not Model._cleanup_on_run_end


def _is_hosted(model: Model) -> bool:
    return any(cls.__name__ in _HOSTED for cls in type(model).__mro__)


def _close_later(model: Model, owner: object) -> None:
    task = asyncio.get_running_loop().create_task(model._cleanup_on_run_end(owner))
    _closing.add(task)
    task.add_done_callback(_closing.discard)


async def _clean_up(original: Any, tool_use_tracker: Any) -> None:
    """The runner's cleanup, where the connections live."""
    context = current()
    assert context is not None
    if any(_keeps_open(model) for model in tool_use_tracker.models):
        await context.outside(lambda: original(tool_use_tracker))


RELIED_ON = (_OWNER, _CLOSE)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {_CLEAN_UP: _clean_up, _CLEAN_UP_STREAMED: _clean_up}
