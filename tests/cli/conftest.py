"""The `perdure` command as a user runs it: a child process with its own folder."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import engines
import pytest
from child_process import PERDURE, fork_server
from desk_engine import Command, Desk, Done

from perdure.cli.main import run

AGENT = """
import asyncio
from datetime import timedelta

import restate

service = restate.Service("Agent")


@service.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    greeting = await ctx.run_typed("call LLM", lambda: f"hello {name}")
    rest = await ctx.service_call(nap, arg=0.05)
    return f"{greeting}, {rest}"


@service.handler()
async def nap(ctx: restate.Context, seconds: float) -> str:
    await ctx.sleep(timedelta(seconds=seconds), name="pause")
    return "rested"


@service.handler()
async def work(ctx: restate.Context, seconds: float) -> int:
    async def effect() -> int:
        with open("effects", "a") as effects:
            effects.write("began ")
        await asyncio.sleep(seconds)
        with open("effects", "a") as effects:
            effects.write("ended ")
        return 42

    return await ctx.run_typed("work", effect)


@service.handler()
async def fail(ctx: restate.Context, why: str) -> None:
    raise restate.TerminalError(why, status_code=404)


app = restate.app([service])
"""


def clean_environment() -> dict[str, str]:
    """Without PERDURE_* of the developer's shell, and with lines that are not cut to a terminal."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("PERDURE_") and key not in ("COLUMNS", "FORCE_COLOR")
    }


class Server:
    """A `perdure` that runs until it is told to stop. Its output goes to a file that `output` reads."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._log = folder / f"perdure-{arguments[0]}-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [PERDURE, *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_for_output(self, text: str, timeout_s: float = 20) -> str:
        deadline = time.monotonic() + timeout_s
        while text not in self.output:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.output}"
            assert time.monotonic() < deadline, f"no {text!r} after {timeout_s} s:\n{self.output}"
            time.sleep(0.02)
        return self.output

    def stop(self, with_signal: signal.Signals, timeout_s: float = 20) -> int:
        """Sends the signal to this process alone; the exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(timeout=timeout_s)

    def kill(self) -> None:
        """SIGKILL to it and all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The user's folder, with an agent.py in it."""
    (tmp_path / "agent.py").write_text(AGENT)
    return tmp_path


@pytest.fixture
def perdure(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one command to its end in the user's folder, forked; `start_perdure` starts new processes."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [fork_server().bin / "perdure", *arguments],
            cwd=folder,
            env={**clean_environment(), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def start_perdure(folder: Path) -> Iterator[Callable[..., Server]]:
    """Starts a command that runs until stopped; killed at the end of the test."""
    started: list[Server] = []

    def start(*arguments: str, **environment: str) -> Server:
        server = Server(list(arguments), folder, {**clean_environment(), **environment})
        started.append(server)
        return server

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="session", params=engines.ENGINES)
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    engine = engines.engine(
        request.param, str(Path(__file__).with_name("desk.py")), tmp_path_factory.mktemp("desk")
    )
    try:
        asyncio.run(engine.start())
        yield Desk(request.param, engine.ingress_url, engine.admin_url)
    finally:
        engine.kill()


@pytest.fixture
def command(desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs one command in this process, against that engine. `typed`: what is on its standard input."""
    monkeypatch.setenv("PERDURE_ADMIN", desk.admin)
    monkeypatch.delenv("COLUMNS", raising=False)

    def done(*arguments: str, typed: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        capsys.readouterr()
        code = run(arguments)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return done
