"""What readers of the journal are told about a step, beside its outcome: for whom it was made, what it cost.

Facts are told once, with the outcome, and stay as they were told: a replay makes none anew and compares none
with the code of today. So new ones may come at any time without breaking an invocation in flight. Code on the
loop may read back what the journal holds (`perdure.durable.step.noting_tries`).
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from perdure.durable.values import Json

OfResult = Callable[[Any], Mapping[str, Json]]
"""Makes facts of what a step returned. Called in its process, once: it may look at the world."""


@dataclass(frozen=True, slots=True)
class Facts:
    """settled: known when the step is issued. of_result: makes more when it has ended. None tells nothing."""

    settled: Mapping[str, Json] = field(default_factory=dict)
    of_result: tuple[OfResult, ...] = ()

    def beside_result(self, result: object) -> dict[str, Json]:
        """What stands beside the outcome of a step that returned `result`."""
        facts = dict(self.settled)
        for more in self.of_result:
            facts |= more(result)
        return _beside(facts)

    def beside_failure(self) -> dict[str, Json]:
        """What stands beside the outcome of a step that raised."""
        return _beside(self.settled)


_NONE = Facts()
_facts: contextvars.ContextVar[Facts] = contextvars.ContextVar("perdure_facts", default=_NONE)


@contextmanager
def about(*of_result: OfResult, **settled: Json) -> Iterator[None]:
    """Tell readers these facts about each step that is issued in the block, beside those of the blocks
    around it. Of two with the same name the inner one counts.
    """
    outer = _facts.get()
    token = _facts.set(Facts({**outer.settled, **settled}, (*outer.of_result, *of_result)))
    try:
        yield
    finally:
        _facts.reset(token)


def facts() -> Facts:
    """Those that a step would have which was issued now."""
    return _facts.get()


def _beside(facts: Mapping[str, Json]) -> dict[str, Json]:
    told = {name: fact for name, fact in facts.items() if fact is not None}
    return {"about": told} if told else {}
