"""A state's value goes through a form and comes back as it was, unless somebody changed it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.ui.entry_text import digest, kind_of, shown, written


def sent(text: str) -> str:
    """As a browser's text field sends it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


@settings(deadline=None, max_examples=50)
@given(st.binary() | st.text().map(str.encode))
def test_what_nobody_changed_stays_as_it_was(value: bytes) -> None:
    assert written(kind_of(value), sent(shown(value)), value) == value


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (b'{"a": 1.10}', "json", '{\n  "a": 1.10\n}'),
        (b'"caf\\u00e9"', "json", '"café"'),
        ("naïve\nlines".encode(), "text", "naïve\nlines"),
        (b"carriage\r\nreturns", "bytes", "63 61 72 72 69 61 67 65 0d 0a 72 65 74 75 72 6e 73"),
        (b"\xff\x00", "bytes", "ff 00"),
        (b"", "text", ""),
    ],
)
def test_what_a_value_is_edited_as(value: bytes, kind: str, text: str) -> None:
    assert kind_of(value) == kind
    assert shown(value) == text


def test_long_json_is_edited_as_it_is_stored() -> None:
    value = b"[" + b"1, " * 100_000 + b"1]"
    assert (kind_of(value), shown(value)) == ("json", value.decode())
    assert written("json", sent(shown(value)), value) == value


def test_a_change_is_written_without_layout() -> None:
    assert (
        written("json", '{\r\n  "a": 1.20,\r\n  "b": "x y"\r\n}', b'{"a": 1.10}') == b'{"a":1.20,"b":"x y"}'
    )
    assert written("text", "two\r\nlines") == b"two\nlines"
    assert written("bytes", "FF 00\r\n1a") == b"\xff\x00\x1a"


def test_what_cannot_be_read_is_told() -> None:
    with pytest.raises(ValueError, match="no JSON: Expecting value: line 2"):
        written("json", '{"a":\r\n}')
    with pytest.raises(ValueError, match="two hexadecimal digits"):
        written("bytes", "f")


def test_an_edit_knows_what_it_was_made_from() -> None:
    assert digest(None) == ""
    assert digest(b"") not in ("", digest(b"1"))
