"""The examples of handoffs, parallel tools and sub-agents, with a replay at every await."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from perdure.testing import harness

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.anyio


def app_of(example: str) -> Any:
    return runpy.run_path(str(EXAMPLES / example / "agent.py"))["app"]


@pytest.mark.parametrize("always_replay", [False, True])
async def test_the_airline_hands_a_passenger_over_in_a_circle(always_replay: bool) -> None:
    async with harness(app_of("handoffs"), always_replay=always_replay) as h:
        assert await h.call("Airline/ask", "May I take my skis along? And put me in 23A.") == {
            "answer": "Your skis fly free, and seat 23A is yours.",
            "by": "Seating",
            "seat": "23A",
        }


@pytest.mark.parametrize("always_replay", [False, True])
async def test_the_tools_of_a_trip_run_at_once_and_once_each(
    always_replay: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASKED_FILE", str(tmp_path / "asked"))
    async with harness(app_of("parallel_tools"), always_replay=always_replay) as h:
        assert await h.call("Trips/price", "Oslo, two nights") == (
            "Flight: 200 euros. Hotels: {'Bristol': 260, 'Grand': 220, 'Continental': 340}."
        )
    asked = (tmp_path / "asked").read_text().splitlines()
    assert sorted(asked) == ["Bristol", "Continental", "Grand", "flight to Oslo"]


@pytest.mark.parametrize("always_replay", [False, True])
async def test_an_editor_asks_two_agents_at_once(
    always_replay: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READ_FILE", str(tmp_path / "read"))
    async with harness(app_of("sub_agents"), always_replay=always_replay) as h:
        assert await h.call("Editor/write", "The tide") == (
            "The Sea says: the moon pulls the water. They will ask why twice a day."
        )
    assert sorted((tmp_path / "read").read_text().splitlines()) == ["Questions", "The Sea"]
