"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.engine.core.durations import DURATION_MS_MAX, format_duration, parse_duration_ms


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [
        ("0s", 0),
        ("500ms", 500),
        ("10s", 10_000),
        ("1m 30s", 90_000),
        ("1h30m", 5_400_000),
        ("1d", 86_400_000),
        ("2 hours", 7_200_000),
        ("1.5s", 1500),
        (" 3 min ", 180_000),
        ("PT2H", 7_200_000),
        ("P1DT1S", 86_401_000),
    ],
)
def test_what_is_a_duration(text: str, duration_ms: int) -> None:
    assert parse_duration_ms(text) == duration_ms


@pytest.mark.parametrize(
    "text", ["", "soon", "10", "s", "-1s", "1x", "P", "1s,2s", "101years", "40000d", "1e3s"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write 30s"):
        parse_duration_ms(text)


@given(st.integers(0, DURATION_MS_MAX))
def test_what_is_written_is_read_back(duration_ms: int) -> None:
    assert parse_duration_ms(format_duration(duration_ms)) == duration_ms
