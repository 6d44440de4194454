"""Durable agents on the real restate-server: same answers, no repeated step, errors that end the
invocation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx2
import pytest
from engines import RestateServerWithEndpoint, running

AGENT = Path(__file__).with_name("parallel_tools.py")
ANSWER = [
    "{'city': 'Lisbon', 'degrees': 22}",
    *(f"{what}:hold {what}:pay {what}:confirm" for what in ("flight", "hotel", "car")),
    "Booked.",
]
# Suspends whatever waits: each await that the journal cannot answer is a new attempt and a full replay.
ALWAYS_REPLAY = {"RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT": "0s"}

pytestmark = [pytest.mark.anyio, pytest.mark.restate, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trips")


@pytest.fixture(scope="module", params=[{}, ALWAYS_REPLAY], ids=["live", "always-replay"])
async def trips(request: pytest.FixtureRequest, directory: Path) -> AsyncIterator[RestateServerWithEndpoint]:
    here = directory / ("replay" if request.param else "live")
    here.mkdir()
    service = RestateServerWithEndpoint(
        str(AGENT), here, env={"EFFECTS_LOG": str(directory / "effects.log")}, server_env=request.param
    )
    async with running(service):
        yield service


@pytest.fixture
def effects(directory: Path) -> Path:
    """What took place during this test, a line each."""
    path = directory / "effects.log"
    path.write_text("")
    return path


def starting(effects: Path, word: str) -> list[str]:
    return [line for line in effects.read_text().splitlines() if line.startswith(word)]


async def test_three_parallel_tools_of_three_steps_each(
    trips: RestateServerWithEndpoint, effects: Path
) -> None:
    async with httpx2.AsyncClient(timeout=60) as client:
        response = await client.post(f"{trips.ingress_url}/Trips/trip", json="Lisbon")
    assert response.json() == ANSWER

    ran = [line.split(" from ")[0] for line in starting(effects, "ran")]
    assert len(ran) == len(set(ran)) == 10, "each step took place once"
    assert starting(effects, "model") == ["model 0", "model 1"]

    begun = {line.split()[1]: float(line.split()[3]) for line in starting(effects, "ran") if " from " in line}
    ended = {line.split()[1]: float(line.split()[3]) for line in starting(effects, "end")}
    holds = ("flight-hold", "hotel-hold", "car-hold")
    assert max(begun[name] for name in holds) < min(ended[name] for name in holds), (
        "the tools overlap in time"
    )

    invocation = response.headers["x-restate-id"]
    journal = await trips.server.query(
        f"SELECT name FROM sys_journal WHERE id = '{invocation}' AND name <> '' ORDER BY index"
    )
    names = [row["name"] for row in journal]
    assert names[0] == names[-1] == "call LLM"
    assert sorted(names[1:-1]) == sorted(
        ["get_weather", *(f"{w}-{s}" for w in ("flight", "hotel", "car") for s in ("hold", "pay", "confirm"))]
    )


async def test_an_await_that_nothing_can_wake_fails_the_invocation(trips: RestateServerWithEndpoint) -> None:
    async with httpx2.AsyncClient(timeout=20) as client:
        response = await client.post(f"{trips.ingress_url}/Trips/stuck", json="")
    assert response.status_code == 500
    message = response.json()["message"]
    assert "waits_for_nothing" in message
    assert "parallel_tools.py:" in message
    assert "step(" in message


async def test_a_cancelled_invocation_cleans_up_and_ends(
    trips: RestateServerWithEndpoint, effects: Path
) -> None:
    async with httpx2.AsyncClient(timeout=20) as client:
        sent = await client.post(f"{trips.ingress_url}/Trips/long/send", json="")
        invocation = sent.json()["invocationId"]
        with anyio.fail_after(20):
            while not starting(effects, "end room-hold"):  # noqa: ASYNC110 - another process writes it
                await anyio.sleep(0.02)
        await client.patch(f"{trips.admin_url}/invocations/{invocation}/cancel")
        with anyio.fail_after(20):
            attached = await client.get(f"{trips.ingress_url}/restate/invocation/{invocation}/attach")
    assert attached.status_code == 409
    assert attached.json()["message"] == "cancelled"
    assert len(starting(effects, "ran room-release")) == 1
