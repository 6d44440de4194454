"""Spend over time: whose prices it is by, and what is not in it."""

from __future__ import annotations

from datetime import UTC, datetime

from perdure.inspection.spending import Spending
from perdure.ui.activity import by_spender, spend_chart
from perdure.ui.charts import SPANS, Chart

NOW = datetime(2026, 11, 23, 8, 40, 30, tzinfo=UTC)
LIST = "genai-prices 0.2.3"


def call(usd: float | None, price_list: str | None = None, model: str = "gpt-5-mini") -> Spending:
    return Spending(NOW, "inv_1", "Clerk", model, 10, 5, usd, price_list)


def drawn(*calls: Spending) -> Chart:
    return spend_chart(calls, SPANS["1h"], NOW)


def test_by_prices_of_the_users() -> None:
    chart = drawn(call(0.25), call(0.5))
    assert (chart.total, chart.legend) == ("$0.7500", [("usd", "spent $0.7500")])


def test_by_list_prices_and_which_list() -> None:
    chart = drawn(call(0.25, LIST), call(0.5))
    assert chart.total == "≈ $0.7500"
    assert chart.legend == [("usd", "spent $0.7500, ≈ by list prices (genai-prices 0.2.3)")]
    assert len(chart.bars) == 1


def test_calls_without_a_price_are_said_to_be_missing() -> None:
    chart = drawn(call(0.25, LIST), call(None), call(None))
    assert chart.total == "≈ $0.2500"
    assert chart.legend[0][1].endswith("(genai-prices 0.2.3), 2 calls without a price")
    assert chart.description.endswith(" 2 calls without a price.")


def test_an_unknown_sum_is_not_nothing() -> None:
    chart = drawn(call(None))
    assert (chart.total, chart.legend) == ("?", [("usd", "1 call without a price")])
    assert drawn().total == "$0.00"


def test_the_dearest_agent_and_model_come_first() -> None:
    spenders = by_spender([call(0.1), call(None, model="house"), call(0.3, LIST, model="gpt-5"), call(0.1)])
    assert [(each.model, each.used.calls, each.used.usd) for each in spenders] == [
        ("gpt-5", 1, 0.3),
        ("gpt-5-mini", 2, 0.2),
        ("house", 1, None),
    ]
