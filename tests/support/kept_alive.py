"""A process that is started again whenever it has died, as a supervisor would."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from embedded_engine import EmbeddedEngine
from service_endpoint import ServiceEndpoint


@asynccontextmanager
async def kept_alive(victim: EmbeddedEngine | ServiceEndpoint) -> AsyncIterator[None]:
    """Start it again, on the same data and ports, until the block ends."""

    async def watch() -> None:
        while True:
            await anyio.sleep(0.01)
            if not victim.process.alive:
                victim.kill()
                await victim.start()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        yield
        tasks.cancel_scope.cancel()
