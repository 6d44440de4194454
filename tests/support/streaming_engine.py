"""Either engine with one URL at which streams are read: the embedded engine's ingress, or the gateway.

The handlers run in a process of their own, which can be killed and started again by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from child_process import ChildProcess
from engines import EngineName
from gateway import Gateway
from perdure_engine import PerdureEngine
from restate_server import RestateServer
from service_endpoint import ServiceEndpoint


class StreamingEngine:
    """`url`: where clients come. `gateway` is None for the embedded engine."""

    def __init__(
        self,
        name: EngineName,
        target: str,
        directory: Path,
        *,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.holds = directory / "holds"
        self.holds.mkdir()
        of_handlers = {"HOLDS": str(self.holds), **(env or {})}
        self.engine: PerdureEngine | RestateServer
        self.gateway: Gateway | None = None
        if name == "embedded":
            self.engine = PerdureEngine(directory)
            self.url = self.engine.ingress_url
        else:
            self.engine = RestateServer(directory)
            self.gateway = Gateway(self.engine.ingress_url, self.engine.admin_url, directory)
            self.url = self.gateway.url
            of_handlers["PERDURE_STREAMS"] = self.engine.ingress_url
        self.admin_url = self.engine.admin_url
        self.endpoint = ServiceEndpoint(target, directory, env=of_handlers)

    async def start(self) -> None:
        await self.engine.start()
        if self.gateway is not None:
            await self.gateway.start()
        await self.endpoint.start()
        await self.engine.register(self.endpoint.url)

    def kill(self) -> None:
        self.endpoint.kill()
        if self.gateway is not None:
            self.gateway.kill()
        self.engine.kill()

    async def restart_handlers(self) -> None:
        """SIGKILL to the process that runs the handlers, and another one in its place."""
        self.endpoint.kill()
        await self.endpoint.start()

    @property
    def processes(self) -> list[ChildProcess]:
        own = [self.engine.process, self.endpoint.process]
        return own if self.gateway is None else [*own, self.gateway.process]
