"""Small bar charts over time, as rectangles: the numbers here, the drawing in templates/chart.html."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WIDTH = 600
HEIGHT = 80
GAP = 2
STUB = 1.5
"""Even one of a million is seen."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a chart shows: `bars` bars of `step` each."""

    words: str
    step: timedelta
    bars: int

    @property
    def length(self) -> timedelta:
        return self.step * self.bars

    def start(self, now: datetime) -> datetime:
        """Where the first bar begins. Bars begin at round times, so that they stand still as time goes on."""
        step_s = self.step.total_seconds()
        end_s = (now.timestamp() // step_s + 1) * step_s
        return datetime.fromtimestamp(end_s, UTC) - self.length


SPANS: Mapping[str, Span] = {
    "1h": Span("last hour", timedelta(minutes=1), 60),
    "24h": Span("last 24 hours", timedelta(minutes=30), 48),
    "7d": Span("last 7 days", timedelta(hours=4), 42),
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar. x, y, width, height: in the units of a drawing of WIDTH by HEIGHT."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """At one time: what its title says, and its segments from the ground up."""

    at: datetime
    title: str
    x: float
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class Chart:
    """title: what is shown. total: of all bars, in words. description: what those hear who do not see it."""

    title: str
    total: str
    legend: Sequence[tuple[str, str]]
    bars: Sequence[Bar]
    start: datetime
    end: datetime
    top: str
    description: str


Amount = tuple[datetime, str, float]
"""When, of which kind, how much."""


def chart(
    title: str,
    amounts: Iterable[Amount],
    kinds: Mapping[str, str],
    span: Span,
    now: datetime,
    words: Callable[[float], str],
) -> Chart:
    """Bars of `amounts` in that span, stacked by kind. kinds: name of the legend by kind, from the ground up.

    words: an amount as people read it.
    """
    start = span.start(now)
    by_bar = [dict.fromkeys(kinds, 0.0) for _ in range(span.bars)]
    for at, kind, amount in amounts:
        number = (at - start) // span.step
        if 0 <= number < span.bars:
            by_bar[number][kind] += amount
    top = max(sum(bar.values()) for bar in by_bar)
    totals = {kind: sum(bar[kind] for bar in by_bar) for kind in kinds}
    total = words(sum(totals.values()))
    parts = ", ".join(f"{words(amount)} {kinds[kind]}" for kind, amount in totals.items() if amount)
    return Chart(
        title=title,
        total=total,
        legend=[(kind, f"{name} {words(totals[kind])}") for kind, name in kinds.items()],
        bars=[
            _bar(number, bar, start + span.step * number, span.bars, top, kinds, words)
            for number, bar in enumerate(by_bar)
            if any(bar.values())
        ],
        start=start,
        end=start + span.length,
        top=words(top) if top else "",
        description=f"{title}, {span.words}: {parts or 'nothing'}. At most {words(top)} in one bar.",
    )


def _bar(
    number: int,
    amounts: Mapping[str, float],
    at: datetime,
    bars: int,
    top: float,
    kinds: Mapping[str, str],
    words: Callable[[float], str],
) -> Bar:
    slot = WIDTH / bars
    segments, ground = [], float(HEIGHT)
    for kind, amount in amounts.items():
        if amount:
            height = max(STUB, amount / top * HEIGHT)
            ground -= height
            segments.append(
                Segment(
                    kind, round(number * slot, 2), round(ground, 2), round(slot - GAP, 2), round(height, 2)
                )
            )
    said = ", ".join(f"{words(amount)} {kinds[kind]}" for kind, amount in amounts.items() if amount)
    return Bar(at, f"{at:%Y-%m-%d %H:%M} UTC: {said}", round(number * slot, 2), segments)
