"""JSON that is laid out anew says what it said."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.ui.json_text import compact, indented

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None, max_examples=50)
@given(anything, st.booleans())
def test_it_stays_the_same_value(value: object, ensure_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ensure_ascii)
    assert json.loads(indented(text)) == value
    assert json.loads(compact(text)) == value
    assert compact(indented(text)) == compact(indented(compact(text)))


def test_it_is_laid_out_as_pythons_json_does() -> None:
    value = {"a": [1, {"b": []}, {}], "é": "x, y: {z}", "": None}
    assert indented(json.dumps(value)) == json.dumps(value, indent=2, ensure_ascii=False)
    assert compact(indented(json.dumps(value))) == json.dumps(
        value, separators=(",", ":"), ensure_ascii=False
    )


@pytest.mark.parametrize("literal", ["1.10", "1e400", "-0.0", "100000000000000000000.00", "9" * 5000])
def test_a_number_stays_as_it_is_written(literal: str) -> None:
    assert indented(f'{{"euros":{literal}}}') == f'{{\n  "euros": {literal}\n}}'


def test_a_name_that_is_there_twice_is_shown_twice() -> None:
    assert compact('{"euros": 5, "euros": 5000}') == '{"euros":5,"euros":5000}'


@pytest.mark.parametrize("text", ["", "{", "NaN", "[1,]", "{'a': 1}", "1 2", "[" * 100_000, '"\n"'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        indented(text)


def test_a_lone_surrogate_stays_escaped() -> None:
    assert indented('"\\ud800 \\u00e9"') == '"\\ud800 \\u00e9"'


def test_deep_json_is_laid_out_in_the_order_of_its_size() -> None:
    text = "[" * 900 + "1," * 100_000 + "1" + "]" * 900
    laid_out = indented(text)
    assert len(laid_out) < 50 * len(text)
    assert compact(laid_out) == text
