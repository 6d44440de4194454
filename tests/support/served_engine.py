"""Either engine, alone in its process, beside service endpoints in processes of their own.

Both are driven by the same lines: start, register over the admin API, SIGKILL one or the other, start again.
"""

from __future__ import annotations

from pathlib import Path

import anyio
from engines import EngineName
from invocation_client import InvocationClient
from perdure_engine import PerdureEngine
from restate_server import RestateServer
from service_endpoint import ServiceEndpoint

REPLAYED = {"SERVICE_SUFFIX": "Replayed", "INACTIVITY_TIMEOUT_MS": "0"}


class Served:
    """An engine with its endpoints, which can be killed and started again one by one."""

    def __init__(self, name: EngineName, target: str, directory: Path) -> None:
        self.name = name
        self.notes = directory / "notes"
        self.notes.mkdir()
        self.engine = PerdureEngine(directory) if name == "embedded" else RestateServer(directory)
        noted = {"NOTES_DIRECTORY": str(self.notes)}
        self.endpoint = ServiceEndpoint(target, directory, env=noted)
        self._registered = False
        (directory / "replayed").mkdir()
        self.replayed = ServiceEndpoint(target, directory / "replayed", env=noted | REPLAYED)

    async def ensure_running(self) -> None:
        """Start what does not run, all at once; the first time, register the endpoints too."""
        endpoints = (self.endpoint, self.replayed)
        async with anyio.create_task_group() as group:
            for process in (self.engine, *endpoints):
                if not process.process.alive:
                    group.start_soon(process.start)
        if not self._registered:
            for endpoint in endpoints:
                await self.engine.register(endpoint.url)
            self._registered = True

    def kill(self) -> None:
        for process in (self.endpoint, self.replayed, self.engine):
            process.kill()

    def client(self) -> InvocationClient:
        return InvocationClient(self.engine.ingress_url, self.engine.admin_url, self.notes)
