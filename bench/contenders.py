"""Who is measured: each starts with a fresh data directory and runs the same load of journaled steps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from embedded_engine import EmbeddedEngine
from engines import Engine, RestateServerWithEndpoint, running
from ingress_load import IngressLoad
from restate_server import WHY_MISSING, find_binary

HERE = Path(__file__).parent
DBOS_PYTHON = HERE.parent / "build" / "bench-venv" / "bin" / "python"
SERVICE = str(HERE / "service.py")
# restate-server as it comes: the tests' small memory and few partitions are not what it is tuned for.
STOCK = {"RESTATE_DEFAULT_NUM_PARTITIONS": "24", "RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE": "2GiB"}

PERDURE = "perdure, embedded"
RESTATE = "restate-server"
DBOS = "DBOS on SQLite"


class Contender(Protocol):
    async def seconds(self, invocations: int, steps: int) -> float:
        """Wall time of `invocations` at once, each journaling `steps` steps one after the other."""


@asynccontextmanager
async def _over_ingress(engine: Engine) -> AsyncIterator[Contender]:
    async with running(engine):
        yield IngressLoad(engine.ingress_url)


class _DbosWorker:
    def __init__(self, requests: asyncio.StreamWriter, answers: asyncio.StreamReader) -> None:
        self._requests = requests
        self._answers = answers

    async def seconds(self, invocations: int, steps: int) -> float:
        self._requests.write(json.dumps({"invocations": invocations, "steps": steps}).encode() + b"\n")
        answer = await self._answers.readline()
        if not answer:
            raise RuntimeError("the DBOS worker ended; its error is above")
        return float(json.loads(answer)["seconds"])


@asynccontextmanager
async def _dbos(directory: Path) -> AsyncIterator[Contender]:
    pipe = asyncio.subprocess.PIPE
    command = (DBOS_PYTHON, HERE / "dbos_worker.py", directory)
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield _DbosWorker(process.stdin, process.stdout)
    finally:
        process.kill()
        await process.wait()


CONTENDERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Contender]]] = {
    PERDURE: lambda directory: _over_ingress(EmbeddedEngine(SERVICE, directory)),
    RESTATE: lambda directory: _over_ingress(RestateServerWithEndpoint(SERVICE, directory, server_env=STOCK)),
    DBOS: _dbos,
}


def missing() -> list[str]:
    """Who cannot run here, and why: a table that silently lacks a rival would flatter us."""
    problems = []
    if find_binary() is None:
        problems.append(f"{RESTATE}: {WHY_MISSING}")
    if not DBOS_PYTHON.exists():
        problems.append(f"{DBOS}: needs its own venv (make bench makes it)")
    return problems
