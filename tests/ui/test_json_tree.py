"""Values of users as HTML that folds."""

from __future__ import annotations

import json
import re

import pytest

from perdure.ui.json_tree import NODES_MAX, json_tree, shown


def text_of(html: str) -> str:
    """What a reader sees, all of it unfolded."""
    told = re.sub(r"<[^>]*>", "", str(html))
    for entity, char in (("&#34;", '"'), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        told = told.replace(entity, char)
    return told


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('{"a": 1.10, "b": [1e400, -0], "a": null}', "{a: 1.10, b: [1e400, -0], a: null}"),
        ("[]", "[]"),
        ("{}", "{}"),
        ('[true, "x"]', '[true, "x"]'),
        ("12345678901234567890", "12345678901234567890"),
    ],
)
def test_numbers_and_names_stay_as_they_are_written(written: str, text: str) -> None:
    assert text_of(json_tree(written)) == text


def test_types_are_told_apart() -> None:
    html = json_tree('{"s": "x", "n": 1, "t": true, "z": null}')
    for kind, inner in (("key", "<bdi>s</bdi>"), ("number", "1"), ("constant", "true"), ("constant", "null")):
        assert f'<span class="json-{kind}">{inner}</span>' in html
    assert '<span class="json-string"><bdi>&#34;x&#34;</bdi></span>' in html


def test_what_is_long_folds() -> None:
    html = json_tree(json.dumps({"list": [{"name": "x" * 90}, {"name": "y"}]}))
    assert html.count("<details") == 3
    assert html.count("<details open>") == 2, "the first two levels stand open"
    assert "1 key" in html
    assert "2 items" in html


def test_hostile_text_is_text() -> None:
    html = json_tree(json.dumps({"</script><b>": ["<img onerror=x>\u202e\x00"] * 9}))
    assert "<img" not in html
    assert "<b>" not in html
    assert "\u202e" not in html


def test_large_values_are_cut() -> None:
    many = json_tree(json.dumps([{"key": "x" * 80}] * 5_000))
    assert len(many) < 400 * NODES_MAX
    assert "more</div>" in many
    long = json_tree(json.dumps(["x" * 100_000]))
    assert len(long) < 10_000
    assert "95904 more" in long


@pytest.mark.parametrize("depth", [50, 400, 100_000])
def test_deep_values_end_somewhere(depth: int) -> None:
    html = shown("[" * depth + "]" * depth)
    assert len(html) < 300_000


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b'"a text\\nof two lines"', '<pre class="value" tabindex="0">a text\nof two lines</pre>'),
        (b'{"cut": "off', "cut"),
        ("grün".encode()[:3], "gr"),
        (b"\xff\xfe\x00\x01abc", "ff fe 00 01"),
        (b"<script>", "&lt;script&gt;"),
        (b'"\\ud800"', "␦"),
    ],
)
def test_values_of_all_kinds_are_shown(value: bytes | None, part: str) -> None:
    html = shown(value)
    assert part in html
    html.encode()
