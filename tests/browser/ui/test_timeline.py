"""static/timeline.js: where a moment lies. It is pure, so it is asked by tables; a browser runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chromium import Tab

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
Span = tuple[float, float]


async def asked(tab: Tab, ui: str, call: str, *values: object) -> Any:
    """What an expression comes to, in which `given` are the values and `t` is the module."""
    given = json.dumps(values)
    return await tab.js(
        f"import('{ui}/static/timeline.js').then(t => {{ const given = {given}; return {call}; }})"
    )


async def rooms(tab: Tab, ui: str, spans: list[Span], end_ms: float, of: list[Span]) -> list[float]:
    """The share of the width that each span of `of` has."""
    call = "(a => given[2].map(([s, e]) => t.placeOf(a, e) - t.placeOf(a, s)))(t.axisOf(given[0], given[1]))"
    return list(await asked(tab, ui, call, spans, end_ms, of))


async def test_work_is_to_scale_whatever_lies_between(tab: Tab, ui: str) -> None:
    first, second = (0, 100), (3 * DAY, 3 * DAY + 300)
    one, three = await rooms(tab, ui, [first, second], 3 * DAY + 300, [first, second])
    assert three == pytest.approx(3 * one)
    assert one + three > 0.5, "days of waiting take no more than half of the room"


async def test_no_waiting_squashes_the_work(tab: Tab, ui: str) -> None:
    for gaps in ([DAY], [HOUR, DAY], [DAY] * 40, [20, DAY, 30], [1, 2, 3, 4]):
        spans: list[Span] = []
        at = 0
        for gap in [*gaps, 0]:
            spans.append((at, at + 50))
            at += 50 + gap
        shares = await rooms(tab, ui, spans, at, spans)
        assert sum(shares) > 0.5, gaps
        assert max(shares) == pytest.approx(min(shares)), gaps


async def test_longer_waits_are_drawn_longer_and_short_ones_to_scale(tab: Tab, ui: str) -> None:
    spans: list[Span] = [(0, 100), (110, 200), (200 + HOUR, 300 + HOUR), (300 + HOUR + DAY, 400 + HOUR + DAY)]
    gaps: list[Span] = [(100, 110), (200, 200 + HOUR), (300 + HOUR, 300 + HOUR + DAY)]
    work, short, hour, day = await rooms(tab, ui, spans, spans[-1][1], [spans[0], *gaps])
    assert short == pytest.approx(work / 10)
    assert short < hour < day < 0.3


BREAKS: list[tuple[list[Span], float, list[list[float]]]] = [
    ([(0, 10), (20, 30)], 30, []),
    ([(0, 10), (DAY, DAY + 10)], DAY + 10, [[10, DAY]]),
    ([(0, 10)], HOUR, [[10, HOUR]]),
    ([(5 * MINUTE, 6 * MINUTE)], 6 * MINUTE, [[0, 5 * MINUTE]]),
    ([], DAY, []),  # nothing worked: what there is is to scale
    ([(0, 0)], DAY, []),
    ([(0, 10), (5, 40), (39, 50)], 50, []),
]


async def test_breaks(tab: Tab, ui: str) -> None:
    for spans, end_ms, breaks in BREAKS:
        told = await asked(tab, ui, "t.axisOf(given[0], given[1]).breaks", spans, end_ms)
        assert told == breaks, spans
        true = await asked(tab, ui, "t.axisOf(given[0], given[1], true)", spans, end_ms)
        assert true == {"knots": [[0, 0], [end_ms, 1]], "breaks": []}


async def test_places_and_moments_are_inverse_and_in_order(tab: Tab, ui: str) -> None:
    call = """(a => [...Array(101).keys()].map(n => n / 100).map(x => [x, t.placeOf(a, t.momentAt(a, x)),
        t.momentAt(a, x)]))(t.axisOf(given[0], given[1]))"""
    told = await asked(
        tab, ui, call, [(0, 100), (150, 400), (DAY, DAY + 500), (DAY + 500, DAY + 600)], 2 * DAY
    )
    assert [back for _, back, _ in told] == pytest.approx([x for x, _, _ in told])
    moments = [ms for _, _, ms in told]
    assert moments == sorted(moments)
    assert (moments[0], moments[-1]) == (0, 2 * DAY)


async def test_what_lies_outside_is_at_the_edge(tab: Tab, ui: str) -> None:
    call = "(a => [t.placeOf(a, -5), t.placeOf(a, 99), t.momentAt(a, 2)])(t.axisOf(given[0], given[1]))"
    assert await asked(tab, ui, call, [(0, 10)], 10) == [0, 1, 10]


TICKS: list[tuple[list[Span], float, Span, int, list[str]]] = [
    ([(0, 1000)], 1000, (0, 1), 5, ["100 ms", "300 ms", "500 ms", "700 ms", "900 ms"]),
    ([(0, HOUR)], HOUR, (0, 1), 3, ["10 min", "30 min", "50 min"]),
    ([(0, 1000)], 1000, (0.5, 0.51), 2, ["502 ms", "508 ms"]),
    # after a break the count is of its end
    ([(0, 1000), (DAY, DAY + 1000)], DAY + 1000, (0, 1), 6, ["200 ms", "800 ms", "+200 ms", "+800 ms"]),
]


async def test_ticks_are_round(tab: Tab, ui: str) -> None:
    call = "t.ticksOf(t.axisOf(given[0], given[1]), ...given[2], given[3]).map(tick => tick.text)"
    for *given, texts in TICKS:
        assert await asked(tab, ui, call, *given) == texts


async def test_durations_read_as_on_the_rest_of_the_page(tab: Tab, ui: str) -> None:
    lengths = [0, 0.25, 7, 999, 1234, 59_960, 200 * SECOND, 125 * MINUTE, 3 * DAY + 4 * HOUR, 2 * DAY]
    assert await asked(tab, ui, "given[0].map(t.durationText)", lengths) == [
        *("0 ms", "0.3 ms", "7 ms", "999 ms", "1.23 s", "60 s"),
        *("3 min 20 s", "2 h 5 min", "3 d 4 h", "2 d"),
    ]


async def test_merged(tab: Tab, ui: str) -> None:
    given: list[list[Span]] = [[], [(5, 9), (1, 3)], [(1, 5), (2, 3), (4, 8), (8, 9)]]
    assert await asked(tab, ui, "given[0].map(t.merged)", given) == [[], [[1, 3], [5, 9]], [[1, 9]]]
