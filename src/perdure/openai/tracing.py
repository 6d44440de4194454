"""Traces and spans: stable ids, and each event told to the processors once, not once a replay.

An attempt goes through the code from its beginning, so it starts and ends the spans of all attempts before.
Their ids are a function of the invocation and of the order in which they are made, so they are the same each
time, and so is the order of their events. An event is told when the run does something for the first time:

* While the journal still has commands for us, an earlier attempt was here, and told it.
* Behind the last command that cannot be known from the journal. A process remembers how far it told, as long
  as the invocation is suspended; another process tells what follows the last command once more.
* A process that takes a run over tells its processors first of the spans that are open: those that hold
  spans in memory, from start to end, would not know them.

What runs in a step is outside of all this. It runs once, and has the SDK's own ids.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import restate
from agents.tracing import Span
from restate.context import Request
from restate.exceptions import SdkInternalBaseException
from restate.extensions import current_context
from restate.server_context import DisconnectedException, get_extension_data, set_extension_data

from perdure.durable.context import DurableContext, enclosing_step
from perdure.durable.loop import DeterministicLoop
from perdure.errors import AttemptEnded, DurableError

# How many suspended invocations this process remembers. One that is forgotten has the events behind its last
# command told twice, as after a crash.
_REMEMBERED_MAX = 10_000


class Memory(NamedTuple):
    """What a process knows of a suspended invocation: how far it told, and when the open spans started."""

    told: int
    started_at: dict[str, str]


_remembered: OrderedDict[str, Memory] = OrderedDict()  # by invocation id


class AttemptTrace:
    """What one attempt of an invocation traces, in the handler and on the deterministic loop alike."""

    def __init__(self, context: Any) -> None:
        self._vm = context.vm
        self._invocation_id: str = context.request().id
        self._ids = 0
        self._events = 0
        self._told, self._started_at = _remembered.pop(self._invocation_id, Memory(0, {}))
        self._untold: dict[str, Callable[[], None]] = {}
        self.request: Request = context.request()
        self.spans: dict[str, Span[Any]] = {}  # those that were started, by id
        self.began_here: set[str] = set()  # and those that no attempt before this one has started
        self.told_by_steps: set[str] = set()  # and those that stand for what is one step

    def new_id(self, prefix: str, digits: int) -> str:
        """The next id of this invocation, like `span_` and 24 hexadecimal digits."""
        self._ids += 1
        seed = f"{self._invocation_id}/{self._ids}"
        return f"{prefix}_{hashlib.sha256(seed.encode()).hexdigest()[:digits]}"

    def start(self, item_id: str, tell: Callable[[], None]) -> None:
        """A trace or span starts; `tell` calls the processors."""
        if self._is_news():
            self.began_here.add(item_id)
            self._tell(tell)
        elif self._events > self._told:
            self._untold[item_id] = tell

    def first_started_at(self, span_id: str, now: str) -> str:
        """When a span that starts `now` started in the first attempt that this process knows of."""
        return self._started_at.setdefault(span_id, now)

    def end(self, item_id: str, tell: Callable[[], None]) -> None:
        """A trace or span ends, be it for good or because the attempt does."""
        if _attempt_is_ending():
            return
        self._started_at.pop(item_id, None)
        if self._is_news():
            self._tell(tell)
        else:
            self._untold.pop(item_id, None)

    def _is_news(self) -> bool:
        """Count an event, and say whether it is one that nobody has been told yet."""
        self._events += 1
        return self._events > self._told and not self._vm.is_replaying()

    def _tell(self, tell: Callable[[], None]) -> None:
        for start in self._untold.values():
            outside_of_the_loop(start)
        self._untold.clear()
        self._told = self._events
        outside_of_the_loop(tell)

    def __close__(self) -> None:
        """The SDK calls it when the handler is left."""
        if isinstance(sys.exception(), _ATTEMPT_OVER):
            _remembered[self._invocation_id] = Memory(self._told, self._started_at)
            if len(_remembered) > _REMEMBERED_MAX:
                _remembered.popitem(last=False)


# What leaves a handler whose invocation goes on in another attempt. An error that will be retried is none of
# them: the next attempt may take another way, so all that it does behind the last command is told.
_ATTEMPT_OVER = (SdkInternalBaseException, DisconnectedException, asyncio.CancelledError)
_KEY = "perdure.tracing"


def attempt_trace() -> AttemptTrace | None:
    """That of the attempt that the calling code belongs to; None in a step, and outside of handlers."""
    if enclosing_step() is not None:
        return None
    try:
        context: restate.Context | None = current_context()
    except LookupError:
        return None
    if isinstance(context, DurableContext):
        context = context.of_handler
    if context is None:
        return None
    trace: AttemptTrace | None = get_extension_data(context, _KEY)
    if trace is None:
        set_extension_data(context, _KEY, trace := AttemptTrace(context))
    return trace


def outside_of_the_loop(tell: Callable[[], None]) -> None:
    """Call processors as if there were no deterministic loop: the tasks that they start are not the run's."""
    loop = asyncio._get_running_loop()
    if isinstance(loop, DeterministicLoop):
        loop.call_outside(tell)
    else:
        tell()


def _attempt_is_ending() -> bool:
    """Whether the code is left because the attempt ends. The invocation goes on, and so does the span."""
    error = sys.exception()
    loop = asyncio._get_running_loop()
    if isinstance(loop, DeterministicLoop):
        # A misuse ends the invocation with the attempt.
        return isinstance(error, AttemptEnded | GeneratorExit) and not isinstance(loop.doom, DurableError)
    return isinstance(error, _ATTEMPT_OVER)
