"""Charts over time: the numbers behind the rectangles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from perdure.ui.charts import HEIGHT, SPANS, WIDTH, Amount, Chart, chart

NOW = datetime(2026, 11, 23, 8, 40, 30, tzinfo=UTC)
KINDS = {"good": "went well", "bad": "failed"}


def hour(*amounts: Amount) -> Chart:
    return chart("Runs", amounts, KINDS, SPANS["1h"], NOW, lambda amount: f"{amount:g}")


def test_bars_stand_at_their_minutes_stacked_from_the_ground() -> None:
    begin = datetime(2026, 11, 23, 7, 41, tzinfo=UTC)
    shown = hour(
        (begin, "good", 3), (begin + timedelta(seconds=59), "bad", 1), (NOW, "good", 1), (NOW, "good", 1)
    )
    assert (shown.start, shown.end) == (begin, begin + timedelta(hours=1))
    first, last = shown.bars
    assert first.title == "2026-11-23 07:41 UTC: 3 went well, 1 failed"
    assert [(part.kind, part.y, part.height) for part in first.segments] == [
        ("good", HEIGHT * 0.25, HEIGHT * 0.75),
        ("bad", 0, HEIGHT * 0.25),
    ]
    assert (first.x, last.x) == (0, WIDTH * 59 / 60)
    assert last.segments[0].height == HEIGHT / 2
    assert shown.total == "6"
    assert shown.legend == [("good", "went well 5"), ("bad", "failed 1")]
    assert shown.description == "Runs, last hour: 5 went well, 1 failed. At most 4 in one bar."


def test_what_was_before_is_left_out() -> None:
    shown = hour((NOW - timedelta(hours=1), "good", 7))
    assert (shown.bars, shown.total) == ([], "0")
    assert shown.description.startswith("Runs, last hour: nothing.")


def test_bars_stand_still_while_time_goes_on() -> None:
    spans = SPANS["24h"]
    assert (
        spans.start(NOW)
        == spans.start(NOW + timedelta(minutes=19))
        < spans.start(NOW + timedelta(minutes=20))
    )


@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(2026, 11, 23), datetime(2026, 11, 24)),
            st.sampled_from([*KINDS]),
            st.floats(0, 1e9),
        )
    )
)
def test_nothing_leaves_the_drawing(amounts: list[tuple[datetime, str, float]]) -> None:
    shown = hour(*((at.replace(tzinfo=UTC), kind, amount) for at, kind, amount in amounts))
    for bar in shown.bars:
        for part in bar.segments:
            assert 0 <= part.x <= part.x + part.width <= WIDTH
            assert -3 < part.y <= part.y + part.height <= HEIGHT + 0.02
