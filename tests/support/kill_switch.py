"""SIGKILL at one exact point of one run, and a log of what every step of it did.

A process that imports this module writes to the effect log when the effect of a step starts (`ran`) and when
durable code is given its result (`saw`). Steps are told apart by their number in the order in which the run
asks for them, which replays repeat, and their name.

A test that wants a death writes its boundary into a file before it makes the request: at the third step, say,
before the effect, or after the effect and before its record, or after the record. The first process to come
there removes the file and kills its own process group.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import weakref
from pathlib import Path
from typing import Any

import effect_log
from kill_switch_file import PATH_ENV, Phase

from perdure.durable.context import DurableContext
from perdure.durable.step import Try


def _kill_at(step: int, phase: Phase) -> None:
    path = Path(os.environ[PATH_ENV])
    try:
        if path.read_text() != f"{step} {phase}":
            return
    except FileNotFoundError:
        return
    path.unlink()
    os.killpg(0, signal.SIGKILL)


_perform, _await, _init = Try._perform, Try.__await__, Try.__init__
_asked: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()  # by the attempt's own context
_made: dict[str, Any] = {}
_given: dict[str, Any] = {}


def _number(context: DurableContext) -> int:
    return next(_asked.setdefault(context._raw, itertools.count(1)))


def _digest(outcome: Any) -> str:
    return hashlib.sha256(json.dumps(outcome, sort_keys=True).encode()).hexdigest()


def _watched_init(self: Any, context: DurableContext, name: str, *arguments: Any, **options: Any) -> None:
    self.invocation = context.request().id
    self.step = f"{_number(context)}:{name.replace(' ', '_')}"
    _init(self, context, name, *arguments, **options)


async def _watched_perform(self: Any) -> Any:
    at = next(_made.setdefault(self.invocation, itertools.count(1)))
    _kill_at(at, "before the effect")
    effect_log.ran(self.invocation, self.step)
    outcome = await _perform(self)
    _kill_at(at, "before its record")
    return outcome


def _watched_await(self: Any) -> Any:
    outcome = yield from _await(self)
    effect_log.saw(self.invocation, self.step, _digest(outcome))
    effect_log.given(self.invocation, self.step)
    _kill_at(next(_given.setdefault(self.invocation, itertools.count(1))), "after its record")
    return outcome


Try.__init__ = _watched_init  # type: ignore[method-assign]
Try._perform = _watched_perform  # type: ignore[method-assign]
Try.__await__ = _watched_await  # type: ignore[method-assign]
