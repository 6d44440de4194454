"""A child process that tests start, wait for, SIGKILL and start again.

Each child leads a process group of its own, so that SIGKILL reaches the workers it forked and nothing else: a
server that supervises workers may leave them running, and listening, when only its own pid is killed.
"""

from __future__ import annotations

import functools
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import anyio
import pyqwest
from fork_server import ForkServer

PERDURE = str(Path(sys.executable).with_name("perdure"))  # the command that a user types
COLD_EVERY = 10


class Process(Protocol):
    """What we use of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float) -> int: ...


fork_server = functools.cache(ForkServer)
_starts = itertools.count(1)


def spawn(command: Sequence[str], log_path: Path, env: Mapping[str, str]) -> Process:
    """Run `command` as the leader of a new process group, its output appended to `log_path`.

    `perdure ...` is forked from a process that has done its imports, but for one in `COLD_EVERY`.
    """
    if command[0] == PERDURE and next(_starts) % COLD_EVERY:
        return fork_server().fork(command[1:], log_path, env)
    with log_path.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=env,
            process_group=0,
        )


class ChildDied(AssertionError):
    """The child ended, or never answered, while a test waited for it. The message has its last output."""


class ChildProcess:
    """One command line; `start` runs it, and may run it again after `kill`.

    Output of all its lives is appended to `log_path`; `env` is added to this process's environment.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log_path: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.command = list(command)
        self.log_path = log_path
        self.env = {**os.environ, **(env or {})}
        self._process: Process | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process, and of the group that it leads."""
        assert self._process is not None, "never started"
        return self._process.pid

    def start(self) -> None:
        assert not self.alive, "already running"
        self._process = spawn(self.command, self.log_path, self.env)

    def kill(self) -> None:
        """SIGKILL to the whole group; returns when the child is gone. Harmless when it is gone already."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):  # it ended by itself, and so did its workers
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)

    async def wait_for_http(self, url: str, *, http2: bool = False, timeout_s: float = 30) -> None:
        """Poll `url` until it answers 200. Raises ChildDied, with the child's last output, if it does not."""
        version = pyqwest.HTTPVersion.HTTP2 if http2 else pyqwest.HTTPVersion.HTTP1
        client = pyqwest.Client(pyqwest.HTTPTransport(http_version=version, timeout=2, enable_otel=False))
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                response = await client.get(url)
                if response.status == 200:
                    return
                problem = f"HTTP {response.status}"
            except (OSError, pyqwest.ReadError, pyqwest.WriteError) as error:
                problem = repr(error)
            if not self.alive:
                raise ChildDied(f"{self.command[0]} ended before {url} answered:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ChildDied(f"{url} not up after {timeout_s} s ({problem}):\n{self.log_tail()}")
            await anyio.sleep(0.02)

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
