"""docs/guide/cli.md tells the fields that programs read."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from perdure.inspection.deployments import Deployment, Service
from perdure.inspection.event_log import Event
from perdure.inspection.records import AttemptFailure, Invocation, Step

PAGE = (Path(__file__).parents[2] / "docs/guide/cli.md").read_text()


def names(record: type) -> set[str]:
    return {field.name for field in dataclasses.fields(record)}  # type: ignore[arg-type]


def told(beginning: str) -> set[str]:
    """The words in backticks between this and the next full stop before a blank line or a new sentence."""
    text = PAGE[PAGE.index(beginning) :]
    return set(re.findall(r"`([a-z_]+)`", re.split(r"\.\n\n|\. A failure", text)[0]))


def test_an_invocation_and_a_failure_are_told_whole() -> None:
    assert told("An invocation: ") == names(Invocation) | {"state"}
    assert told("A failure: ") == names(AttemptFailure)


def test_of_a_step_only_what_there_is() -> None:
    assert told("A step: ") <= names(Step)


@pytest.mark.parametrize(
    ("row", "record", "more"),
    [
        ("| `services list`", Service, set()),
        ("| `deployments list`", Deployment, {"unfinished_invocations"}),
        ("| `logs`", Event, set()),
    ],
)
def test_rows_are_told_whole(row: str, record: type, more: set[str]) -> None:
    line = PAGE[PAGE.index(row) :].partition("\n")[0]
    shape = line[line.index("{") : line.rindex("}")]
    assert set(re.findall(r"\"([a-z_]+)\"", shape)) == names(record)
    assert more <= set(re.findall(r"`([a-z_]+)`", line))
