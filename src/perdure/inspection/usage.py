"""What model calls used and cost, added up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from perdure.inspection.records import Step
from perdure.inspection.step_content import ModelCall, read


class Used(Protocol):
    """One model call. usd: None where no price was known. price_list: where it is from, if not the user."""

    @property
    def input_tokens(self) -> int: ...

    @property
    def output_tokens(self) -> int: ...

    @property
    def usd(self) -> float | None: ...

    @property
    def price_list(self) -> str | None: ...


@dataclass(slots=True)
class Usage:
    """usd: of the calls whose price was known; None if of none. calls_unpriced: how many are the others.
    price_lists: those that prices are from which no user gave.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None
    calls_unpriced: int = 0
    price_lists: list[str] = field(default_factory=list)

    def add(self, call: Used) -> None:
        self.calls += 1
        self.input_tokens += call.input_tokens
        self.output_tokens += call.output_tokens
        if call.usd is None:
            self.calls_unpriced += 1
            return
        self.usd = (self.usd or 0.0) + call.usd
        if call.price_list is not None and call.price_list not in self.price_lists:
            self.price_lists.append(call.price_list)

    @property
    def price_list(self) -> str | None:
        """All of them, in words; None if there is none."""
        return " and ".join(self.price_lists) or None


def usage_of(steps: Iterable[Step]) -> Usage:
    """Of the model calls among these steps."""
    used = Usage()
    for step in steps:
        if isinstance(call := read(step).body, ModelCall):
            used.add(call)
    return used
