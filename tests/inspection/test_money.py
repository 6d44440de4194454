"""How amounts of money read."""

from __future__ import annotations

import pytest

from perdure.inspection.money import cost, usd, without_price


@pytest.mark.parametrize(
    ("amount", "read"), [(0, "$0.00"), (12.4, "$12.40"), (0.0031, "$0.0031"), (1e-6, "<$0.0001")]
)
def test_cents_where_they_count_and_more_digits_where_they_do_not(amount: float, read: str) -> None:
    assert usd(amount) == read


def test_what_a_price_list_says_is_about_right() -> None:
    assert cost(0.0031, None) == "$0.0031"
    assert cost(0.0031, "genai-prices 0.2.3") == "≈ $0.0031"
    assert cost(1e-6, "genai-prices 0.2.3") == "<$0.0001"


def test_calls_without_a_price() -> None:
    assert (without_price(1), without_price(1200)) == (
        "1 call without a price",
        "1,200 calls without a price",
    )
