"""Throughput and spend over time: the charts of the overview."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from perdure.inspection import spending
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.records import time_of
from perdure.inspection.spending import Spending
from perdure.ui.charts import SPANS, Amount, Span, chart
from perdure.ui.pages import page
from perdure.ui.remembered import Remembered
from perdure.ui.text import number, usd

SPAN_DEFAULT = "1h"
INVOCATIONS_READ = 100
"""Whose journals are read for what they spent."""
OUTCOMES = {"succeeded": "succeeded", "failed": "failed", "running": "not completed"}
TOKENS = {"input": "input", "output": "output"}


@dataclass(slots=True)
class Spender:
    """An agent with one model, and what it has spent."""

    agent: str | None
    model: str | None
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    priced: list[float] = field(default_factory=list)

    @property
    def usd(self) -> float | None:
        return sum(self.priced) if self.priced else None


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
        prices = [(call.at, "usd", call.usd) for call in within if call.usd is not None]
        charts = [
            chart("Invocations", counted, OUTCOMES, span, now, number),
            chart("Tokens", tokens, TOKENS, span, now, number),
            chart("Model spend", prices, {"usd": "spent"}, span, now, usd),
        ]
        if within and not prices:  # which does not mean that they were for nothing
            charts[-1] = replace(charts[-1], total="?", legend=[("usd", "unknown: a Budget tells prices")])
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


def by_spender(calls: Iterable[Spending]) -> list[Spender]:
    """What each agent spent with each model, the dearest first."""
    found: dict[tuple[str | None, str | None], Spender] = {}
    for call in calls:
        spender = found.setdefault((call.agent, call.model), Spender(call.agent, call.model))
        spender.calls += 1
        spender.input_tokens += call.input_tokens
        spender.output_tokens += call.output_tokens
        if call.usd is not None:
            spender.priced.append(call.usd)
    return sorted(
        found.values(), key=lambda each: (-(each.usd or 0), -each.input_tokens - each.output_tokens)
    )
