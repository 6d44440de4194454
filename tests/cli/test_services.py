"""`perdure services`."""

from __future__ import annotations

import json
import re

import pytest
from desk_engine import Command

pytestmark = pytest.mark.xdist_group("commands on both engines")


def test_list_names_services_and_handlers(command: Command) -> None:
    heading, *lines = command("services", "list").out.splitlines()
    assert heading.split() == ["SERVICE", "DEPLOYMENT", "KIND", "REVISION", "HANDLERS"]
    assert re.match(r"Agent +dp_\w+ +service +\d+ +.*greet", lines[0])
    assert re.match(r"Notes +dp_\w+ +virtual object +\d+ +write", lines[1])
    told = json.loads(command("services", "list", "--json").out)
    assert [each["name"] for each in told] == ["Agent", "Notes"]


def test_describe_tells_what_handlers_take(command: Command) -> None:
    told = command("services", "describe", "Notes").out
    assert re.search(r"^kind +virtual object *$", told, re.MULTILINE)
    assert "What is to be remembered." in told
    assert re.search(r"^write +exclusive +\w.* +none", told, re.MULTILINE)
    assert re.search(r"^retry policy +initial interval \S+, .*max attempts \d+", told, re.MULTILINE)
    assert not re.search(r"[{}]|True|False", told)
    (handler,) = json.loads(command("services", "describe", "Notes", "--json").out)["handlers"]
    assert handler["kind"] == "exclusive"


def test_one_that_is_not_there_is_one_line(command: Command) -> None:
    done = command("services", "describe", "Nobody")
    assert done.code == 1
    assert "Nobody" in done.err
    assert done.err.count("\n") == 1
