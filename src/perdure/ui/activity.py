"""Throughput and spend over time: the charts of the overview."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.inspection import spending
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.money import cost, usd, without_price
from perdure.inspection.records import time_of
from perdure.inspection.spending import Spending
from perdure.inspection.usage import Usage
from perdure.ui.charts import SPANS, Amount, Chart, Span, chart
from perdure.ui.pages import page
from perdure.ui.remembered import Remembered
from perdure.ui.text import number

SPAN_DEFAULT = "1h"
INVOCATIONS_READ = 100
"""Whose journals are read for what they spent."""
OUTCOMES = {"succeeded": "succeeded", "failed": "failed", "running": "not completed"}
TOKENS = {"input": "input", "output": "output"}


@dataclass(frozen=True, slots=True)
class Spender:
    """An agent with one model, and what it has spent."""

    agent: str | None
    model: str | None
    used: Usage = field(default_factory=Usage)


def routes(api: AdminApi) -> list[BaseRoute]:
    async def find(span: Span) -> tuple[datetime, list[Amount], list[Spending]]:
        now = datetime.now(UTC)
        counted, calls = await asyncio.gather(
            _throughput(api, span, now), spending.model_calls(api, INVOCATIONS_READ)
        )
        return now, counted, calls

    found = Remembered(find)

    async def activity(request: Request) -> Response:
        name = request.query_params.get("span", SPAN_DEFAULT)
        span = SPANS.get(name, SPANS[SPAN_DEFAULT])
        now, counted, calls = await found(span)
        within = [call for call in calls if call.at >= span.start(now)]
        tokens = [
            each
            for call in within
            for each in ((call.at, "input", call.input_tokens), (call.at, "output", call.output_tokens))
        ]
        charts = [
            chart("Invocations", counted, OUTCOMES, span, now, number),
            chart("Tokens", tokens, TOKENS, span, now, number),
            spend_chart(within, span, now),
        ]
        return page(
            request,
            "activity.html",
            charts=charts,
            span=name,
            spans=SPANS,
            spenders=by_spender(within),
            invocations_read=INVOCATIONS_READ,
        )

    return [Route("/activity", activity)]


async def _throughput(api: AdminApi, span: Span, now: datetime) -> list[Amount]:
    """Invocations by the time of their creation, and by what became of them."""
    step_s = int(span.step.total_seconds())
    told = await api.query(
        f"SELECT date_bin(INTERVAL '{step_s} seconds', created_at) AS at, completion_result AS result, "
        f"count(*) AS amount FROM sys_invocation WHERE created_at >= '{span.start(now):%Y-%m-%dT%H:%M:%SZ}' "
        "GROUP BY 1, 2"
    )
    outcomes = {"success": "succeeded", "failure": "failed"}
    return [
        (time_of(row["at"]), outcomes.get(row.get("result", ""), "running"), row["amount"])
        for row in told.rows
    ]


def spend_chart(calls: Sequence[Spending], span: Span, now: datetime) -> Chart:
    """Of the calls in that span: what they cost, by whose prices, and of how many nobody knows it."""
    used = Usage()
    for call in calls:
        used.add(call)
    amounts = [(call.at, "usd", call.usd) for call in calls if call.usd is not None]
    drawn = chart("Model spend", amounts, {"usd": "spent"}, span, now, usd)
    if not used.calls:
        return drawn
    known = [] if used.usd is None else [words for _, words in drawn.legend]
    notes = [f"≈ by list prices ({used.price_list})"] if used.price_list is not None else []
    notes += [without_price(used.calls_unpriced)] if used.calls_unpriced else []
    return replace(
        drawn,
        total="?" if used.usd is None else cost(used.usd, used.price_list),  # unknown is not nothing
        legend=[("usd", ", ".join([*known, *notes]))],
        description=" ".join([drawn.description, *(f"{note}." for note in notes)]),
    )


def by_spender(calls: Iterable[Spending]) -> list[Spender]:
    """What each agent spent with each model, the dearest first."""
    found: dict[tuple[str | None, str | None], Spender] = {}
    for call in calls:
        found.setdefault((call.agent, call.model), Spender(call.agent, call.model)).used.add(call)
    return sorted(
        found.values(),
        key=lambda each: (-(each.used.usd or 0), -each.used.input_tokens - each.used.output_tokens),
    )
