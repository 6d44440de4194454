"""What readers of the journal are told about a step, beside its outcome: for whom it was made, what it cost.

Facts are for people and their tools. They are settled when the step is issued, on the deterministic loop,
and written with its outcome. Nothing reads them in a replay and nothing compares them, so new ones may come
at any time without breaking an invocation in flight.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from perdure.durable.values import Json

OfResult = Callable[[Any], Json]
"""Makes a fact of what a step returned; None if there is nothing to tell."""

_facts: contextvars.ContextVar[Mapping[str, Json | OfResult]] = contextvars.ContextVar(
    "perdure_facts", default=MappingProxyType({})
)


@contextmanager
def about(**facts: Json | OfResult) -> Iterator[None]:
    """Tell readers these facts about each step that is issued in the block, beside those of the blocks
    around it. Of two with the same name the inner one counts.
    """
    token = _facts.set({**_facts.get(), **facts})
    try:
        yield
    finally:
        _facts.reset(token)


def facts() -> Mapping[str, Json | OfResult]:
    """Those that a step would have which was issued now."""
    return _facts.get()


def of_result(facts: Mapping[str, Json | OfResult], result: object) -> dict[str, Json]:
    """What stands beside the outcome of a step that returned `result`."""
    return _beside({name: fact(result) if callable(fact) else fact for name, fact in facts.items()})


def of_failure(facts: Mapping[str, Json | OfResult]) -> dict[str, Json]:
    """What stands beside the outcome of a step that raised."""
    return _beside({name: fact for name, fact in facts.items() if not callable(fact)})


def _beside(facts: dict[str, Json]) -> dict[str, Json]:
    told = {name: fact for name, fact in facts.items() if fact is not None}
    return {"about": told} if told else {}
