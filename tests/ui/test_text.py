"""How values read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.ui import text


@pytest.mark.parametrize(
    ("took", "read"),
    [
        (timedelta(0), "0 ms"),
        (timedelta(milliseconds=999.4), "999 ms"),
        (timedelta(seconds=1), "1.0 s"),
        (timedelta(seconds=59.96), "1 min"),
        (timedelta(seconds=200), "3 min 20 s"),
        (timedelta(minutes=59, seconds=59.9), "1 h"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
    ],
)
def test_durations(took: timedelta, read: str) -> None:
    assert text.duration(took) == read


@pytest.mark.parametrize(
    ("amount", "read"),
    [(0, "0"), (9_999, "9,999"), (12_345, "12.3k"), (999_960, "1.0M"), (4_500_000, "4.5M")],
)
def test_numbers(amount: float, read: str) -> None:
    assert text.number(amount) == read


@pytest.mark.parametrize(("size", "read"), [(812, "812 B"), (3_400, "3.4 kB"), (1_200_000, "1.2 MB")])
def test_sizes(size: int, read: str) -> None:
    assert text.bytes_size(size) == read


def test_text_that_would_reorder_what_stands_beside_it_is_shown_as_what_it_is() -> None:
    assert text.plain("safe\u202eexe.\x1b[31m\u2066\x00 ok\n\tnext\ud800") == "safe␦exe.␛[31m␦␀ ok\n\tnext␦"


@given(st.text() | st.binary())
def test_every_value_can_be_read_and_sent(value: str | bytes) -> None:
    text.readable(value).encode()


def test_json_is_laid_out_and_the_rest_is_not() -> None:
    assert text.readable(b'{"a":[1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert text.readable(b'{"euros":1.10}') == '{\n  "euros": 1.10\n}'
    assert text.readable(b"plain words") == "plain words"
    assert text.readable(b"\xff\x00") == "ff 00"
    assert text.readable(None) == ""
