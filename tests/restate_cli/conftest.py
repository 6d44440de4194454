"""The real `restate` command line from npm, pointed at each engine in turn."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from engines import ENGINES
from invocation_client import InvocationClient
from perdure_engine import PerdureEngine
from restate_server import RestateServer, find_binary
from service_endpoint import ServiceEndpoint

SERVICES = str(Path(__file__).with_name("services.py"))


@dataclass(frozen=True)
class Said:
    """What a command said, with runs of blanks made one: tables are as wide as their longest id."""

    exit_code: int
    lines: list[str]
    errors: str

    def __contains__(self, line: str) -> bool:
        return line in self.lines

    def table(self, first_column: str) -> list[list[str]]:
        """The rows below a header, split at blanks, until one has no cell."""
        header = next(i for i, line in enumerate(self.lines) if line.startswith(f"{first_column} "))
        rows: list[list[str]] = []
        for line in self.lines[header + 1 :]:
            if not line:
                break
            rows.append(line.split())
        return rows


Cli = Callable[..., Said]


class Pointed:
    """An engine, its service endpoint, and the command line."""

    def __init__(self, name: str, directory: Path) -> None:
        self.engine = PerdureEngine(directory) if name == "embedded" else RestateServer(directory)
        self.endpoint = ServiceEndpoint(SERVICES, directory)
        self._home = directory / "home"
        self._home.mkdir()

    async def start(self) -> None:
        await self.engine.start()
        await self.endpoint.start()

    def kill(self) -> None:
        self.endpoint.kill()
        self.engine.kill()

    def cli(self, *arguments: str, **environment: str) -> Said:
        """Run one command to its end; it is never asked anything back."""
        done = subprocess.run(
            [str(find_binary("restate")), "--yes", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self._home),
                "RESTATE_CLI_CONFIG_HOME": str(self._home),
                "RESTATE_ADMIN_URL": self.engine.admin_url,
                "RESTATE_INGRESS_URL": self.engine.ingress_url,
                "NO_COLOR": "1",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return Said(done.returncode, [_one_blank(line) for line in done.stdout.splitlines()], done.stderr)


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=pytest.mark.restate) for name in ENGINES],
)
async def pointed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pointed]:
    """Each engine in turn, one process for all commands, with the services registered by the command."""
    pointed = Pointed(request.param, tmp_path_factory.mktemp(request.param))
    try:
        await pointed.start()
        registered = pointed.cli("deployments", "register", pointed.endpoint.url)
        assert registered.exit_code == 0, registered
        yield pointed
    finally:
        pointed.kill()


@pytest.fixture
def cli(pointed: Pointed) -> Cli:
    """`cli("invocations", "list")`"""
    return pointed.cli


@pytest.fixture(scope="session")
async def client(
    pointed: Pointed, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[InvocationClient]:
    """The ingress and the admin API of the same engine."""
    notes = tmp_path_factory.mktemp("notes")
    async with InvocationClient(pointed.engine.ingress_url, pointed.engine.admin_url, notes) as client:
        yield client


def _one_blank(line: str) -> str:
    without_style = re.sub(r"\x1b\[[0-9;]*m", "", line)
    return re.sub(r"\s+", " ", without_style).strip()
