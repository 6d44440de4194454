"""One small interface for both engines, so that a test is written once and runs on each.

`embedded` is `perdure up`, one process. `restate-server` is the real server and `perdure serve`, two
processes. Either way handlers run in a child process that gets real SIGKILLs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from child_process import ChildProcess
from embedded_engine import EmbeddedEngine
from restate_server import RestateServer
from service_endpoint import ServiceEndpoint

EngineName = Literal["embedded", "restate-server"]
ENGINES: tuple[EngineName, ...] = ("embedded", "restate-server")


class Engine(Protocol):
    """What a test may use of an engine, whichever it is."""

    ingress_url: str
    admin_url: str

    @property
    def processes(self) -> list[ChildProcess]:
        """Its child processes, each with its output in `log_path`."""

    async def start(self) -> None: ...

    def kill(self) -> None:
        """SIGKILL to all of it: what runs the handlers and what keeps the journal."""

    async def restart(self) -> None:
        """Kill, and start again on the same data and the same ports."""


E = TypeVar("E", bound=Engine)


class RestateServerWithEndpoint:
    """The real server and one service endpoint, which `start` registers the first time.

    `server` and `endpoint` can be killed and started one without the other.
    """

    def __init__(
        self,
        target: str,
        directory: Path,
        *,
        env: Mapping[str, str] | None = None,
        server_env: Mapping[str, str] | None = None,
    ) -> None:
        self.server = RestateServer(directory, env=server_env)
        self.endpoint = ServiceEndpoint(target, directory, env=env)
        self.ingress_url = self.server.ingress_url
        self.admin_url = self.server.admin_url
        self._registered = False

    async def start(self) -> None:
        await self.server.start()
        await self.endpoint.start()
        if not self._registered:
            await self.server.register(self.endpoint.url)
            self._registered = True

    def kill(self) -> None:
        self.endpoint.kill()
        self.server.kill()

    @property
    def processes(self) -> list[ChildProcess]:
        return [self.server.process, self.endpoint.process]

    async def restart(self) -> None:
        self.kill()
        await self.start()


def engine(
    name: EngineName,
    target: str,
    directory: Path,
    *,
    env: Mapping[str, str] | None = None,
) -> EmbeddedEngine | RestateServerWithEndpoint:
    """The engine called `name`, not yet started, with the handlers of `target` (`file.py`, `file.py:attr`).

    Data and logs go to `directory`; `env` is added to the environment of the handlers.
    """
    kind = EmbeddedEngine if name == "embedded" else RestateServerWithEndpoint
    return kind(target, directory, env=env)


@asynccontextmanager
async def running(engine: E) -> AsyncIterator[E]:
    """`engine`, started; killed at the end, whatever happened."""
    try:
        await engine.start()
        yield engine
    finally:
        engine.kill()
