"""`perdure gateway` as a child process, in front of a real restate-server."""

from __future__ import annotations

from pathlib import Path

from child_process import PERDURE, ChildProcess
from free_port import free_port


class Gateway:
    """One gateway on free ports. `kill` and `start` again keep them."""

    def __init__(self, ingress_url: str, admin_url: str, directory: Path, *options: str) -> None:
        port, object_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.object_address = f"127.0.0.1:{object_port}"
        addresses = ["--bind", f"127.0.0.1:{port}", "--object-bind", self.object_address]
        self.process = ChildProcess(
            [
                PERDURE,
                "gateway",
                "--restate",
                ingress_url,
                "--restate-admin",
                admin_url,
                *addresses,
                *options,
            ],
            log_path=directory / "perdure-gateway.log",
        )

    async def start(self) -> None:
        self.process.start()
        await self.process.wait_for_http(f"{self.url}/restate/health")

    def kill(self) -> None:
        self.process.kill()
