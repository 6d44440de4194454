"""uvicorn, embedded: on our event loop, on a socket that we bound, with our signal handling."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Any

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl

from perdure.errors import EngineError, PortInUse

SHUTDOWN_S = 1
CUT_S = 0.5
"""Clients that do not take their answer have so long, of that, before their connection is cut."""


def bind(address: str, option: str) -> socket.socket:
    """A listening socket for `host:port`. Raises PortInUse, or EngineError for an address that is none."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only where it is: without, Nagle's algorithm and
    # delayed acks hold every answer back for 40 ms.
    server = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host.strip("[]"), int(port)))
        server.listen(2048)
    except (ValueError, OverflowError, socket.gaierror) as error:
        server.close()
        raise EngineError(
            f"{option} {address}: not an address; write host:port, 127.0.0.1:8080 say"
        ) from error
    except OSError as error:
        server.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"{address} is in use by another program: choose another with {option}") from None
        raise EngineError(f"cannot listen on {address} ({option}): {error.strerror}") from error
    return server


def url_of(sock: socket.socket) -> str:
    """Where a bound socket is reached."""
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback_address(sock: socket.socket) -> bool:
    """Whether nobody but this machine reaches a bound socket."""
    return ip_address(sock.getsockname()[0]).is_loopback


class HttpServer:
    """One ASGI app on one socket, for as long as the context is open."""

    def __init__(self, app: Any, sock: socket.socket) -> None:
        self.url = url_of(sock)
        self._sock = sock
        self._server = _EmbeddedServer(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=SHUTDOWN_S,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> HttpServer:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._sock]))
        await self._server.ready.wait()
        return self

    def stop(self) -> None:
        """Accept no more. Leaving the context waits for the answers that are under way."""
        self._server.stop()

    async def __aexit__(self, *exc_info: object) -> None:
        self.stop()
        if self._task is not None:
            await self._task


class _EmbeddedServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End `main_loop` now."""
        self.should_exit = True
        self._stopped.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, and then say so."""
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which would cancel what a client does not take, and log each as an error."""
        cut = asyncio.get_running_loop().call_later(CUT_S, self._cut_stalled)
        await super().shutdown(sockets)
        cut.cancel()

    def _cut_stalled(self) -> None:
        for connection in list(self.server_state.connections):
            flow: FlowControl | None = getattr(connection, "flow", None)
            if flow is not None and flow.write_paused:
                connection.transport.abort()

    async def main_loop(self) -> None:
        """As uvicorn's (a tick ten times a second keeps the Date header right), but it ends when told to."""
        tick = 0
        while not await self.on_tick(tick):
            tick = (tick + 1) % 864_000
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), 0.1)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: the engine shuts down in its own order."""
        yield
