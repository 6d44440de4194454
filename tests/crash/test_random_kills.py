"""An agent whose process is killed with SIGKILL a hundred times books every trip, and nothing twice.

Customers call the agent over HTTP and, as a client does, call again with the same idempotency key when the
connection breaks, until they are answered. Meanwhile processes are killed at random and started again.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import anyio
import effect_log
import httpx2
import pytest
from embedded_engine import EmbeddedEngine
from engines import EngineName, RestateServerWithEndpoint, engine, running
from restate_server import RestateServer
from service_endpoint import ServiceEndpoint

AGENT = Path(__file__).with_name("trip_agent.py")
SUPPORT = Path(__file__).parents[1] / "support"
BOOKED = ("flight", "hotel", "car")
STAGES = ("hold", "pay", "confirm")
# What the SDK and the servers say when a replay takes another way than the journal: its code is 570.
MISMATCH = re.compile(r"mismatch|[(\[]570\b", re.IGNORECASE)

KILLS = 100
CUSTOMERS = 4
LIFE_MAX_S = 0.3  # a trip takes about 0.1 s: most lives end in the middle of some trips
ANSWER_TIMEOUT_S = 60

Victim = EmbeddedEngine | ServiceEndpoint | RestateServer


class Storm:
    """Customers who book trips, and SIGKILLs that fall on the processes which serve them."""

    def __init__(self, service: EmbeddedEngine | RestateServerWithEndpoint, seed: int) -> None:
        self._service = service
        self._random = random.Random(seed)
        self._over = False
        self.kills: Counter[str] = Counter()
        self.survivors = 0  # trips under way when something was killed
        self.answers: dict[str, str] = {}

    async def rage(self, kills: int) -> None:
        """Returns when the process that runs the agent was killed `kills` times and all trips are booked."""
        async with anyio.create_task_group() as tasks:
            for customer in range(CUSTOMERS):
                tasks.start_soon(self._book_trips, customer)
            while self.kills["agent"] < kills:
                await anyio.sleep(self._random.uniform(0, LIFE_MAX_S))
                name, victim = self._victim()
                self._kill(name, victim)
                if self._random.random() < 0.1:  # again, while it is starting and finding its unfinished work
                    victim.process.start()
                    await anyio.sleep(self._random.uniform(0, LIFE_MAX_S))
                    self._kill(name, victim)
                await victim.start()
            self._over = True

    def _kill(self, name: str, victim: Victim) -> None:
        victim.kill()
        self.kills[name] += 1

    def _victim(self) -> tuple[str, Victim]:
        if isinstance(self._service, EmbeddedEngine):
            return "agent", self._service
        if self._random.random() < 0.1:
            return "restate-server", self._service.server
        return "agent", self._service.endpoint

    async def _book_trips(self, customer: int) -> None:
        trip = 0
        async with httpx2.AsyncClient(timeout=ANSWER_TIMEOUT_S) as client:
            while not self._over:
                trip += 1
                kills_before = self.kills.total()
                with anyio.fail_after(ANSWER_TIMEOUT_S):
                    invocation, answer = await self._book(client, key=f"customer-{customer}-trip-{trip}")
                self.answers[invocation] = answer
                self.survivors += self.kills.total() > kills_before

    async def _book(self, client: httpx2.AsyncClient, key: str) -> tuple[str, str]:
        url = f"{self._service.ingress_url}/Trips/book"
        while True:
            try:
                response = await client.post(
                    url, json="Book a trip to Lisbon", headers={"idempotency-key": key}
                )
            except httpx2.TransportError:
                await anyio.sleep(0.02)  # it is being killed or started
                continue
            assert response.status_code == 200, f"{key}: {response.status_code} {response.text}"
            return response.headers["x-restate-id"], response.json()


def wrong_answers(lines: list[effect_log.Line], answers: dict[str, str]) -> Iterator[str]:
    """Answers, by invocation id, that are not made of the receipts of what took place last.

    A receipt is new each time an effect takes place, so an answer names the very execution that was
    recorded: one that took place after it, recorded as it was, shows here however short the moment.
    """
    receipts = effect_log.last_receipts(lines)
    for invocation, answer in answers.items():
        booked = []
        for what in BOOKED:
            steps = [(invocation, f"{what}-{stage}") for stage in STAGES]
            booked.append(" ".join([what, *(receipts.get(step, "never ran") for step in steps)]))
        right = "; ".join(booked)
        if answer != right:
            yield f"{invocation} answered {answer!r}, but what took place last is {right!r}"


@pytest.mark.crash
@pytest.mark.anyio
@pytest.mark.timeout(400)
async def test_an_agent_killed_a_hundred_times_does_nothing_twice(
    engine_name: EngineName, tmp_path: Path
) -> None:
    seed = int(os.environ.get("PERDURE_CRASH_SEED") or random.randrange(2**32))
    print(f"PERDURE_CRASH_SEED={seed}")  # shown when the test fails: the same moments again
    log = tmp_path / "effects.txt"
    env = {effect_log.PATH_ENV: str(log), "PYTHONPATH": str(SUPPORT)}
    service = engine(engine_name, str(AGENT), tmp_path, env=env)
    async with running(service):
        storm = Storm(service, seed)
        await storm.rage(KILLS)

    lines = effect_log.read(log)
    trips = storm.answers
    assert list(effect_log.repetitions(lines)) == []
    assert list(wrong_answers(lines, trips)) == []
    assert storm.survivors > KILLS / 2, "hardly a kill met a trip that was under way: this proves nothing"
    for process in service.processes:
        output = process.log_path.read_text(errors="replace")
        assert not MISMATCH.search(output), f"a journal mismatch, see {process.log_path}"
    effects = Counter(line.step for line in lines if line.event == "ran" and line.invocation in trips)
    print(f"{dict(storm.kills)} SIGKILLs, {len(trips)} trips, {storm.survivors} under way at one.")
    print(
        "in flight at a kill, so done again:", {name: n - len(trips) for name, n in sorted(effects.items())}
    )
