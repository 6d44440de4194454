"""The SDK's private names: checked when Perdure is imported, and left alone outside of durable runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from agents.run_internal import run_loop

from perdure.errors import IncompatibleSDK
from perdure.openai import compat


def test_installing_twice_wraps_once() -> None:
    before = run_loop.get_response_with_retry
    compat.install()
    assert run_loop.get_response_with_retry is before


@pytest.mark.parametrize(
    "point",
    [
        compat.Point("agents.run_internal.run_loop", "gone", "x"),
        compat.Point("agents.no_such_module", "gone"),
        compat.Point("agents:Agent", "get_all_tools", "a_parameter_that_it_lost"),
    ],
)
def test_an_sdk_that_lacks_a_name_is_told_in_words(point: compat.Point) -> None:
    with pytest.raises(IncompatibleSDK) as caught:
        point.find()
    assert "openai-agents" in str(caught.value)
    assert point.name in str(caught.value)


def test_the_lowest_version_that_is_tested_is_the_lowest_that_is_allowed() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (allowed,) = [need for need in project["dependencies"] if need.startswith("openai-agents")]
    lowest = (Path(__file__).parent / "lowest.txt").read_text().strip().partition("==")[2]
    assert allowed.startswith(f"openai-agents>={lowest},")
