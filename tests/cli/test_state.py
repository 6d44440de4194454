"""`perdure state`: read, set, delete, clear; nobody's write is lost."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from desk_engine import Command, Desk

pytestmark = pytest.mark.xdist_group("commands on both engines")


@pytest.fixture
def key(desk: Desk) -> str:
    """Of an object that keeps two values."""
    key = uuid4().hex
    desk.call(f"Notes/{key}/write", {"count": 3, "words": ["ä", "<b>"]})
    return key


def test_an_object_is_found_by_service_and_text(command: Command, key: str) -> None:
    services = json.loads(command("state", "list", "--json").out)
    assert [each["service"] for each in services] == ["Notes"]
    (row,) = json.loads(command("state", "list", "Notes", "--text", key, "--json").out)
    assert (row["key"], row["entries"], row["holder"]) == (key, 2, None)
    assert key in command("state", "list", "Notes").out
    assert command("state", "list", "Nobody").out == "no object of Nobody keeps anything\n"


def test_get_prints_all_or_one_value_as_it_is(command: Command, key: str) -> None:
    table = command("state", "get", "Notes", key).out
    assert table.splitlines()[1].split() == ["count", "1", "B", "3"]
    assert json.loads(command("state", "get", "Notes", key, "words").out) == ["ä", "<b>"]
    told = json.loads(command("state", "get", "Notes", key, "--json").out)
    assert told["entries"] == {"count": 3, "words": ["ä", "<b>"]}
    missing = command("state", "get", "Notes", key, "wrods")
    assert missing.code == 1
    assert missing.err == f"perdure: Notes/{key} has no 'wrods'; it has: count, words\n"


def test_what_is_set_and_deleted_leaves_the_rest(command: Command, key: str) -> None:
    assert command("state", "set", "Notes", key, "count", "4").code == 0
    assert command("state", "set", "Notes", key, "draft", "-", typed='{"to": "Ada"}\n').code == 0
    assert command("state", "delete", "Notes", key, "words").code == 0
    told = json.loads(command("state", "get", "Notes", key, "--json").out)
    assert told["entries"] == {"count": 4, "draft": {"to": "Ada"}}


def test_an_edit_of_another_version_is_refused(command: Command, key: str) -> None:
    read = json.loads(command("state", "get", "Notes", key, "--json").out)["version"]
    assert command("state", "set", "Notes", key, "count", "4", "--if-version", read).code == 0
    late = command("state", "set", "Notes", key, "count", "5", "--if-version", read)
    assert late.code == 1
    assert late.err == f"perdure: the state of Notes/{key} has changed since it was read\n"
    assert command("state", "get", "Notes", key, "count").out == "4\n"


def test_clear_asks_first(command: Command, key: str) -> None:
    asked = command("state", "clear", "Notes", key)
    assert (asked.code, asked.err) == (2, f"perdure: add --yes to remove 2 values of Notes/{key}\n")
    assert command("state", "clear", "Notes", key, "--yes").code == 0
    assert command("state", "get", "Notes", key).out == f"Notes/{key} keeps nothing\n"


def test_a_value_that_is_no_json_is_refused_and_says_how_a_text_is_written(
    command: Command, key: str
) -> None:
    done = command("state", "set", "Notes", key, "count", "four")
    assert done.code == 2
    assert done.err.startswith("perdure: the value is not JSON (")
    assert done.err.endswith("""a text is written as '"text"'\n""")
    assert command("state", "get", "Notes", key, "count").out == "3\n"
