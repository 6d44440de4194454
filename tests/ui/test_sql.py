"""Rows of a query as a table and as downloads."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.inspection.admin_api import Rows
from perdure.ui.sql import CELL_CHARS_MAX, Cell, as_csv, as_json, cell


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, Cell(None)),
        ("text", Cell("text")),
        (3, Cell("3", is_number=True)),
        (True, Cell("true")),
        ([1, "a"], Cell('[1, "a"]')),
        ("inv_1abcdefghijk", Cell("inv_1abcdefghijk", to=("invocations", "inv_1abcdefghijk"))),
        ("dp_1abcdefghijk", Cell("dp_1abcdefghijk", to=("deployments", "dp_1abcdefghijk"))),
        ("inv_1abc/../state", Cell("inv_1abc/../state")),
        ("x" * 400, Cell("x" * CELL_CHARS_MAX, whole="x" * 400)),
    ],
)
def test_cells(value: Any, shown: Cell) -> None:
    assert cell(value) == shown


def test_downloads_keep_every_value() -> None:
    rows = Rows(
        ["a", "b"], [{"a": 'say "hi",\nthen go', "b": 1.5}, {"a": "=1+1"}, {"b": [None]}, {"a": "\ud800"}]
    )
    assert as_csv(rows) == b'a,b\r\n"say ""hi"",\nthen go",1.5\r\n=1+1,\r\n,[null]\r\n\\ud800,\r\n'
    assert as_json(rows).startswith(b'[{"a": "say \\"hi\\",\\nthen go", "b": 1.5}, {"a": "=1+1"}')
