"""A TCP proxy that cuts connections: a network that breaks at a byte of the test's choice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class CuttingProxy:
    """`url` leads to the upstream. `cuts`: of the next connections, after how many bytes from the upstream
    each is cut (None: never); then none is cut any more. `connections` counts all, `was_cut` those whose cut
    came before their end. `upstream_port` may change, when the upstream restarts.
    """

    def __init__(self, upstream_port: int) -> None:
        self.url = ""
        self.cuts: list[int | None] = []
        self.connections = 0
        self.was_cut = 0
        self.upstream_port = upstream_port

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        cut = self.cuts.pop(0) if self.cuts else None
        try:
            with suppress(OSError):
                await self._between(reader, writer, cut)
        finally:
            # a reset and no orderly close, as when the machine behind the connection goes
            if cut is None:
                writer.close()
            else:
                writer.transport.abort()

    async def _between(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: int | None
    ) -> None:
        from_upstream, to_upstream = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        requests = asyncio.create_task(_copy(reader, to_upstream, None))
        try:
            self.was_cut += await _copy(from_upstream, writer, cut)
        finally:
            requests.cancel()
            to_upstream.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> bool:
    """Whether the limit was reached, and not the end."""
    writer.transport.set_write_buffer_limits(0)  # drained is sent: what came before the cut arrives
    while limit is None or limit > 0:
        data = await reader.read(65536 if limit is None else limit)
        if not data:
            return False
        writer.write(data)
        await writer.drain()
        if limit is not None:
            limit -= len(data)
    return True


@asynccontextmanager
async def cutting_proxy(upstream_port: int) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(upstream_port)
    server = await asyncio.start_server(proxy.pass_on, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
