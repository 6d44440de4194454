"""Model calls added up: what they cost is never more certain than its parts."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from perdure.inspection.usage import Usage


@dataclass
class Call:
    usd: float | None = None
    price_list: str | None = None
    input_tokens: int = 10
    output_tokens: int = 5


def sum_of(*calls: Call) -> Usage:
    used = Usage()
    for call in calls:
        used.add(call)
    return used


def test_calls_without_a_price_are_counted_and_not_taken_for_free() -> None:
    used = sum_of(Call(0.5), Call(), Call(0.25))
    assert (used.calls, used.input_tokens, used.output_tokens) == (3, 30, 15)
    assert (used.usd, used.calls_unpriced, used.price_list) == (0.75, 1, None)
    assert sum_of(Call()).usd is None
    assert sum_of(Call(0.0)).usd == 0


def test_one_list_price_makes_the_sum_one_by_that_list() -> None:
    used = sum_of(Call(0.5), Call(0.1, "genai-prices 0.2.3"), Call(0.1, "genai-prices 0.2.3"))
    assert (used.usd, used.price_list) == (pytest.approx(0.7), "genai-prices 0.2.3")
    used.add(Call(0.1, "genai-prices 0.2.4"))
    assert used.price_list == "genai-prices 0.2.3 and genai-prices 0.2.4"
