"""What durability adds to an agent's run, per turn and per tool call; and what a run leaves in the journal.

Every contender runs the same script (agent_script.py): a model that answers at once, and a tool that does
nothing. The time of a run is `turns * (turn + tools * call)`, so two runs, with one and with eight tool calls
a turn, give both; what the same runs cost with plain `Runner.run` is taken off. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "support")]

import pyqwest  # noqa: E402
from contenders import DBOS_PYTHON, STOCK, missing  # noqa: E402
from disk import fdatasync_us  # noqa: E402
from embedded_engine import EmbeddedEngine  # noqa: E402
from engines import Engine, RestateServerWithEndpoint, running  # noqa: E402

TURNS = 50
TOOLS = (1, 8)
JOURNALS = (25, 50, 100)  # turns of one tool call
PATHS = {"PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}


class Contender(Protocol):
    async def seconds(self, turns: int, tools: int) -> float:
        """Wall time of one run."""

    async def journal_bytes(self, turns: int) -> int | None:
        """What a run of so many turns with one tool call each has left on disk; None if it cannot be told."""


class _OverIngress:
    def __init__(self, engine: Engine, handler: str) -> None:
        self._engine, self._handler = engine, handler
        self._client = pyqwest.Client(pyqwest.HTTPTransport(timeout=600, enable_otel=False))

    async def seconds(self, turns: int, tools: int) -> float:
        begin = time.perf_counter()
        response = await self._call(turns, tools)
        wall = time.perf_counter() - begin
        return float(response.json()) if self._handler == "plain" else wall

    async def journal_bytes(self, turns: int) -> int | None:
        if self._handler == "plain":
            return 0
        invocation = (await self._call(turns, 1)).headers["x-restate-id"]
        query = f"SELECT sum(raw_length) AS bytes FROM sys_journal WHERE id = '{invocation}'"
        answer = await self._client.post(
            f"{self._engine.admin_url}/query",
            headers={"content-type": "application/json", "accept": "application/json"},
            content=json.dumps({"query": query}).encode(),
        )
        return int(answer.json()["rows"][0]["bytes"])

    async def _call(self, turns: int, tools: int) -> pyqwest.FullResponse:
        response = await self._client.post(
            f"{self._engine.ingress_url}/Bench/{self._handler}",
            headers={"content-type": "application/json"},
            content=json.dumps({"turns": turns, "tools": tools}).encode(),
        )
        if response.status != 200:
            raise RuntimeError(f"{response.status} {response.text()}")
        return response


class _Dbos:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def _run(self, turns: int, tools: int) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"turns": turns, "tools": tools}).encode() + b"\n")
        answer: dict[str, float] = json.loads(await self._process.stdout.readline())
        return answer

    async def seconds(self, turns: int, tools: int) -> float:
        return (await self._run(turns, tools))["seconds"]

    async def journal_bytes(self, turns: int) -> int | None:
        return int((await self._run(turns, 1))["bytes"])


@asynccontextmanager
async def _over_ingress(engine: Engine, handler: str) -> AsyncIterator[Contender]:
    async with running(engine):
        yield _OverIngress(engine, handler)


@asynccontextmanager
async def _dbos(directory: Path) -> AsyncIterator[Contender]:
    pipe = asyncio.subprocess.PIPE
    command = (DBOS_PYTHON, HERE / "dbos_agent_worker.py", directory)
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        yield _Dbos(process)
    finally:
        process.kill()
        await process.wait()


def _embedded(handler: str) -> Callable[[Path], AbstractAsyncContextManager[Contender]]:
    service = str(HERE / "agent_service.py")
    return lambda directory: _over_ingress(EmbeddedEngine(service, directory, env=PATHS), handler)


def _on_restate(service: str) -> Callable[[Path], AbstractAsyncContextManager[Contender]]:
    target = str(HERE / service)
    return lambda directory: _over_ingress(
        RestateServerWithEndpoint(target, directory, env=PATHS, server_env=STOCK), "durable"
    )


PLAIN = "plain Runner.run"
CONTENDERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Contender]]] = {
    PLAIN: _embedded("plain"),
    "Perdure, embedded": _embedded("durable"),
    "Perdure on restate-server": _on_restate("agent_service.py"),
    "restate.ext.openai on restate-server": _on_restate("agent_service_restate_ext.py"),
    "dbos-openai-agents on SQLite": _dbos,
}


async def measure(name: str, disk: Path) -> tuple[float, float]:
    """Milliseconds of a turn without its tool calls, and of one tool call."""
    with tempfile.TemporaryDirectory(dir=disk) as directory:
        async with CONTENDERS[name](Path(directory)) as contender:
            await contender.seconds(5, 2)
            few, many = [await contender.seconds(TURNS, tools) for tools in TOOLS]
    call = (many - few) / TURNS / (TOOLS[1] - TOOLS[0])
    return 1e3 * (few / TURNS - TOOLS[0] * call), 1e3 * call


async def journals(name: str, disk: Path) -> list[int | None]:
    with tempfile.TemporaryDirectory(dir=disk) as directory:
        async with CONTENDERS[name](Path(directory)) as contender:
            return [await contender.journal_bytes(turns) for turns in JOURNALS]


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=CONTENDERS, action="append", help="default: all")
    parser.add_argument("--disk", type=Path, default=HERE.parent / "build", help="a directory on the disk")
    options = parser.parse_args()
    if not options.only and (problems := missing()):
        print("cannot compare:", *problems, sep="\n  ", file=sys.stderr)
        return 1
    if (busy := os.getloadavg()[0]) > 0.5:
        print(f"other programs keep {busy:.1f} cores busy: the figures will be off", file=sys.stderr)
    names = options.only or list(CONTENDERS)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for at in range(1, options.rounds + 1):
        print(f"round {at} of {options.rounds}: fdatasync {fdatasync_us(options.disk):.0f} us", flush=True)
        for name in names:
            taken[name].append(await measure(name, options.disk))
            print(f"  {name}: turn {taken[name][-1][0]:.2f} ms, call {taken[name][-1][1]:.2f} ms", flush=True)
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in taken.items()
    }
    plain = medians.get(PLAIN, [0.0, 0.0])
    print(f"\nadded to {PLAIN} ({plain[0]:.2f} ms a turn, {plain[1]:.2f} ms a tool call):")
    for name in names:
        turn, call = (value - base for value, base in zip(medians[name], plain, strict=True))
        print(f"  {name:38} {turn:8.2f} ms a turn {call:8.2f} ms a tool call")
    print(f"\njournal bytes of {', '.join(map(str, JOURNALS))} turns of one tool call:")
    for name in names:
        if name != PLAIN:
            cells = [
                f"{size:>10,}" if size is not None else f"{'-':>10}"
                for size in await journals(name, options.disk)
            ]
            print(f"  {name:38} {' '.join(cells)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
