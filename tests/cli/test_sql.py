"""`perdure sql`."""

from __future__ import annotations

import csv
import io
import json

import pytest
from desk_engine import Command, Desk

pytestmark = pytest.mark.xdist_group("commands on both engines")


def test_rows_as_a_table_as_json_and_as_csv(desk: Desk, command: Command) -> None:
    failed = desk.call("Agent/fail", 'no "such" city, sorry')
    query = f"SELECT id, status, completion_failure FROM sys_invocation WHERE id = '{failed}'"
    heading, line = command("sql", query).out.splitlines()
    assert heading.split() == ["id", "status", "completion_failure"]
    assert line.startswith(f"{failed}  completed")
    (row,) = json.loads(command("sql", query, "--json").out)
    assert row["id"] == failed
    (cells,) = csv.DictReader(io.StringIO(command("sql", query, "--csv").out))
    assert cells == row
    assert 'no "such" city, sorry' in cells["completion_failure"]


def test_a_query_comes_from_standard_input(command: Command) -> None:
    assert json.loads(command("sql", "-", "--json", typed="SELECT 1 AS one").out) == [{"one": 1}]
    assert command("sql", "SELECT 1 AS one WHERE 1 = 2").out == "no rows\n"


def test_what_is_no_query_is_one_line(command: Command) -> None:
    done = command("sql", "SELEKT")
    assert done.code == 1
    assert done.err.startswith("perdure: ")
    assert done.err.count("\n") == 1
    assert command("sql", "-").code == 2
    assert command("sql", "SELECT 1", "--json", "--csv").code == 2
