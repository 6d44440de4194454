"""The crash matrix: SIGKILL at every step of a run, in each of three phases, for each way to use the journal.

Run as a program it prints the table that `make crash` promises; tests/crash/test_matrix.py takes a sample.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import effect_log
import httpx2
import kill_switch_file
from embedded_engine import EmbeddedEngine
from engines import ENGINES, EngineName, RestateServerWithEndpoint, engine, running
from kept_alive import kept_alive
from kill_switch_file import PHASES, Phase
from model_api import ModelApi, served

from perdure.errors import EngineUnreachable, RequestError
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.approvals import pending
from perdure.inspection.awakeables import resolve_awakeable

AGENTS = Path(__file__).parents[1] / "crash" / "matrix_agents.py"
SUPPORT = Path(__file__).parent
SCENARIOS = (
    "flat",
    "parallel",
    "nested",
    "handoff",
    "guardrail",
    "mcp",
    "session",
    "durable-session",
    "approval",
    "re-attach",
)
ANSWER_TIMEOUT_S = 60
STEPS_MAX = 200
MODEL_CALL = "call_LLM"


@dataclass
class Findings:
    """What one scenario's deaths brought to light on one engine. All but the last must stay empty."""

    deaths: int = 0
    repeated: list[str] = field(default_factory=list)  # effects that took place again after their record
    lost: list[str] = field(default_factory=list)  # recorded before the death, and never given back
    paid_again: list[str] = field(default_factory=list)  # model calls made again after their record
    wrong: list[str] = field(default_factory=list)  # answers that do not name the recorded effects
    in_flight: int = 0  # effects and model calls made again because they had no record yet

    @property
    def faults(self) -> list[str]:
        return [*self.repeated, *self.lost, *self.paid_again, *self.wrong]


class Matrix:
    """One engine with all scenarios, whose process dies where it is told to."""

    def __init__(
        self, name: EngineName, service: EmbeddedEngine | RestateServerWithEndpoint, directory: Path
    ) -> None:
        self._name = name
        self._service = service
        self._switch = directory / "kill"
        self._log = directory / "effects.txt"
        self._runs = 0

    async def die(self, scenario: str, step: int, phase: Phase, findings: Findings) -> bool:
        """One run that is killed at this boundary; False if the run has no such boundary."""
        self._log.unlink(missing_ok=True)
        kill_switch_file.arm(self._switch, step, phase)
        answer = await self._ask(scenario)
        died = not self._switch.exists()
        self._switch.unlink(missing_ok=True)
        lines = effect_log.read(self._log)
        at = f"{scenario} on {self._name}, killed at step {step} {phase}"
        for repetition in effect_log.repetitions(line for line in lines if line.invocation != "effects"):
            kind = findings.paid_again if MODEL_CALL in repetition else findings.repeated
            kind.append(f"{at}: {repetition}")
        findings.lost += [f"{at}: {step} was recorded and not given back" for step in _lost(lines)]
        findings.wrong += [f"{at}: {problem}" for problem in _wrong(lines, answer)]
        findings.in_flight += _in_flight(lines)
        findings.deaths += died
        return died

    async def _ask(self, scenario: str) -> str:
        self._runs += 1
        key = f"{scenario}-{self._runs}"
        target = f"{scenario}/{key}/run" if scenario == "durable-session" else f"{scenario}/run"
        url = f"{self._service.ingress_url}/{target}"
        victim = self._service if isinstance(self._service, EmbeddedEngine) else self._service.endpoint
        human = _approving(self._service) if scenario == "approval" else nullcontext()
        async with kept_alive(victim), human, httpx2.AsyncClient(timeout=ANSWER_TIMEOUT_S) as client:
            with anyio.fail_after(ANSWER_TIMEOUT_S):
                while True:
                    try:
                        response = await client.post(url, json="go", headers={"idempotency-key": key})
                    except httpx2.TransportError:
                        await anyio.sleep(0.01)  # it has just died, or is being started
                        continue
                    if response.status_code == 200:
                        return str(response.json())
                    raise AssertionError(f"{key}: {response.status_code} {response.text}")


@asynccontextmanager
async def _approving(service: EmbeddedEngine | RestateServerWithEndpoint) -> AsyncIterator[None]:
    """Approve whatever waits for a human."""

    async def approve() -> None:
        async with AdminApi(service.admin_url) as api:
            while True:
                with suppress(EngineUnreachable, RequestError):
                    for approval in await pending(api):
                        await resolve_awakeable(service.ingress_url, approval.id, b'{"approved": true}')
                await anyio.sleep(0.05)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(approve)
        yield
        tasks.cancel_scope.cancel()


def _lost(lines: list[effect_log.Line]) -> Iterator[str]:
    """Steps whose record a process had seen before it died, and that the last process never saw."""
    given = [line for line in lines if line.event == "given"]
    in_the_last_life = {line.step for line in given if line.receipt == given[-1].receipt}
    yield from sorted({line.step for line in given} - in_the_last_life)


def _wrong(lines: list[effect_log.Line], answer: str) -> Iterator[str]:
    """What the answer tells of each effect must be its last execution: the others were not recorded."""
    last = {line.step: line.receipt for line in lines if line.invocation == "effects"}
    told = dict(pair.split("=") for pair in answer.split())
    for name in sorted(told.keys() - last.keys()):
        yield f"the answer tells of {name}, which never took place"
    for name, receipt in sorted(last.items()):
        if name in told and told[name] != receipt:
            yield f"the answer tells of an execution of {name} that was not the recorded one"
        elif name not in told and not name.startswith("on-"):
            yield f"the answer does not tell of {name}"


def _in_flight(lines: list[effect_log.Line]) -> int:
    ran = Counter((line.invocation, line.step) for line in lines if line.event == "ran")
    return sum(times - 1 for (invocation, _), times in ran.items() if invocation != "effects")


@asynccontextmanager
async def matrix(name: EngineName, directory: Path) -> AsyncIterator[Matrix]:
    """The scenarios on the engine called `name`, with all its files in `directory`."""
    async with served(ModelApi()) as model_url:
        env = {
            effect_log.PATH_ENV: str(directory / "effects.txt"),
            kill_switch_file.PATH_ENV: str(directory / "kill"),
            "MATRIX_MODEL_URL": model_url,
            "PYTHONPATH": str(SUPPORT),
        }
        service = engine(name, str(AGENTS), directory, env=env)
        async with running(service):
            yield Matrix(name, service, directory)


async def whole(names: tuple[EngineName, ...], scenarios: tuple[str, ...]) -> int:
    """Every death there is. Prints the table; returns how many faults were found."""
    faults: list[str] = []
    columns = ("deaths", "repeated", "lost", "paid again", "wrong", "in flight, made again")
    print(f"{'engine':15} {'scenario':12}" + "".join(f"{column:>{len(column) + 3}}" for column in columns))
    for name in names:
        with tempfile.TemporaryDirectory(prefix="perdure-crash-") as directory:
            async with matrix(name, Path(directory)) as runs:
                for scenario in scenarios:
                    found = Findings()
                    for phase in PHASES:
                        for step in range(1, STEPS_MAX):
                            if not await runs.die(scenario, step, phase, found):
                                break
                    counts = (len(f) for f in (found.repeated, found.lost, found.paid_again, found.wrong))
                    cells = zip(columns, (found.deaths, *counts, found.in_flight), strict=True)
                    print(
                        f"{name:15} {scenario:12}" + "".join(f"{n:>{len(c) + 3}}" for c, n in cells),
                        flush=True,
                    )
                    faults += found.faults
    for fault in faults:
        print(fault)
    return len(faults)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, action="append")
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    chosen = parser.parse_args()
    faults = anyio.run(whole, tuple(chosen.engine or ENGINES), tuple(chosen.scenario or SCENARIOS))
    sys.exit(1 if faults else 0)
