"""`perdure serve TARGET` as a child process: handlers behind HTTP/2 for the real restate-server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from child_process import PERDURE, ChildProcess
from free_port import free_port, wait_until_free


class ServiceEndpoint:
    """One endpoint on a free port. `kill` and `start` again keep the port, so the deployment stays valid."""

    def __init__(
        self,
        target: str,
        directory: Path,
        *,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.process = ChildProcess(
            [PERDURE, "serve", target, "--bind", f"127.0.0.1:{self._port}"],
            log_path=directory / "service-endpoint.log",
            env=env,
        )

    async def start(self) -> None:
        self.process.start()
        await self.process.wait_for_http(f"{self.url}/health", http2=True)

    def kill(self) -> None:
        self.process.kill()
        wait_until_free(self._port)  # its worker, which listens, dies a moment later than its parent
