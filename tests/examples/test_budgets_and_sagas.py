"""The examples of budgets and sagas: with a replay at every await, and a saga that is killed on the way."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest

from perdure.testing import harness

if TYPE_CHECKING:
    from engines import Engine

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.anyio


def app_of(example: str) -> Any:
    return runpy.run_path(str(EXAMPLES / example / "agent.py"))["app"]


@pytest.fixture
def bookings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bookings"
    path.write_text("")
    monkeypatch.setenv("BOOKINGS_FILE", str(path))
    return path


def events(bookings: Path) -> list[str]:
    """Like `booked car`, without the references, each of which must be of one booking."""
    lines = [line.rsplit(" ", 1) for line in bookings.read_text().splitlines()]
    return [event for event, _ in lines]


@pytest.mark.parametrize("always_replay", [False, True])
async def test_a_researcher_stops_when_its_money_is_gone(always_replay: bool) -> None:
    question = {"question": "Why is the sea salty?"}
    async with harness(app_of("budgets"), always_replay=always_replay) as h:
        stopped = await h.call("Research/ask", {**question, "usd": 0.10})
        assert stopped == {
            "answer": "Stopped, for the budget is used up: 0.1200 of 0.1000 USD; no further model call is "
            "made. So far: a book about salt; rivers carry salt, and the sun takes only the water",
            "model_calls": 3,
            "usd": 0.12,
        }
        enough = await h.call("Research/ask", {**question, "usd": 1})
    assert enough["answer"].endswith("a book about rivers; a book about the sun")
    assert (enough["model_calls"], enough["usd"]) == (6, 0.24)


@pytest.mark.parametrize("always_replay", [False, True])
async def test_a_trip_is_booked(always_replay: bool, bookings: Path) -> None:
    async with harness(app_of("sagas"), always_replay=always_replay) as h:
        assert await h.call("Travel/plan", "Lisbon") == "flight in Lisbon, hotel in Lisbon, car in Lisbon"
    assert events(bookings) == ["booked flight", "booked hotel", "booked car"]


@pytest.mark.parametrize("always_replay", [False, True])
async def test_what_was_booked_is_cancelled_in_reverse_when_the_rest_fails(
    always_replay: bool, bookings: Path
) -> None:
    async with harness(app_of("sagas"), always_replay=always_replay) as h:
        answer = await h.call("Travel/plan", "Atlantis")
    assert answer == "Nothing is booked: there is no car in Atlantis"
    assert events(bookings) == ["booked flight", "booked hotel", "cancelled hotel", "cancelled flight"]


SLOW_HOTEL = """
import sys, time
sys.path.insert(0, {folder!r})
import agent
book = agent.book

def slow(what, city, reference):
    answer = book(what, city, reference)
    if what == "hotel" and not agent.Path({died!r}).exists():
        agent.Path({died!r}).touch()
        time.sleep(3600)
    return answer

agent.book = slow
app = agent.app
"""


@pytest.mark.crash
async def test_a_booking_that_was_killed_before_its_record_is_cancelled_with_the_others(
    run_engine: Callable[..., AbstractAsyncContextManager[Engine]], bookings: Path, tmp_path: Path
) -> None:
    died = tmp_path / "died"
    target = tmp_path / "slow.py"
    target.write_text(SLOW_HOTEL.format(folder=str(EXAMPLES / "sagas"), died=str(died)))
    async with run_engine(str(target)) as engine, httpx2.AsyncClient(timeout=60) as client:
        sent = (await client.post(f"{engine.ingress_url}/Travel/plan/send", json="Lisbon")).json()
        with anyio.fail_after(60):
            while not died.exists():  # noqa: ASYNC110 - another process makes it
                await anyio.sleep(0.02)
        await engine.restart()
        url = f"{engine.ingress_url}/restate/invocation/{sent['invocationId']}/attach"
        answer = (await client.get(url)).json()
    assert answer == "Nothing is booked: nobody knows whether the hotel was booked"
    assert events(bookings) == ["booked flight", "booked hotel", "cancelled hotel", "cancelled flight"]
