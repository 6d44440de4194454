"""Starts `mcp_server.py`, and makes the SDK's server objects for it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Literal

from agents.mcp import MCPServer, MCPServerSse, MCPServerStdio, MCPServerStreamableHttp
from child_process import ChildProcess
from free_port import free_port, is_free
from mcp_server import CALLS_ENV

SCRIPT = Path(__file__).with_name("mcp_server.py")
Transport = Literal["stdio", "sse", "streamable-http"]
TRANSPORTS: tuple[Transport, ...] = ("stdio", "sse", "streamable-http")


class Shop:
    """One MCP server by one transport. Over HTTP it is a child that `start` starts; over stdio the client
    starts it.
    """

    def __init__(self, transport: Transport, directory: Path) -> None:
        self.transport = transport
        self.log = directory / "calls.txt"
        self.port = free_port()
        self.process = ChildProcess(
            [sys.executable, str(SCRIPT), transport, str(self.port)],
            log_path=directory / "mcp-server.log",
            env={CALLS_ENV: str(self.log)},
        )

    async def start(self) -> None:
        """Over HTTP: start it, unless it runs, and wait until it listens."""
        if self.transport == "stdio" or self.process.alive:
            return
        self.process.start()
        deadline = time.monotonic() + 30
        while is_free(self.port):
            assert self.process.alive, self.process.log_tail()
            assert time.monotonic() < deadline, "the MCP server does not listen"
            await asyncio.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL, to the child of the last connection or to the HTTP server."""
        if self.transport == "stdio":
            os.kill(self.starts()[-1], signal.SIGKILL)
        else:
            self.process.kill()

    def server(self, **options: Any) -> MCPServer:
        """A server object of the SDK, not connected. Its name is "shop"."""
        options = {"name": "shop", **options}
        if self.transport == "stdio":
            env = {CALLS_ENV: str(self.log)}
            params: Any = {"command": sys.executable, "args": [str(SCRIPT), "stdio"], "env": env}
            return MCPServerStdio(params=params, **options)
        if self.transport == "sse":
            return MCPServerSse(params={"url": f"http://127.0.0.1:{self.port}/sse"}, **options)
        return MCPServerStreamableHttp(params={"url": f"http://127.0.0.1:{self.port}/mcp"}, **options)

    def calls(self) -> list[str]:
        """What the server recorded, but for its starts."""
        return [line for line in self._lines() if not line.startswith("start ")]

    def starts(self) -> list[int]:
        """The process ids of its starts, oldest first."""
        return [int(line.split()[1]) for line in self._lines() if line.startswith("start ")]

    def _lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []
