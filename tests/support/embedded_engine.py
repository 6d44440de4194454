"""`perdure up TARGET` as a child process: the embedded engine and the handlers, on free ports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from child_process import PERDURE, ChildProcess
from free_port import free_port


class EmbeddedEngine:
    """One engine. `kill` and `start` again keep its data directory and its ports."""

    def __init__(
        self,
        target: str,
        directory: Path,
        *,
        env: Mapping[str, str] | None = None,
    ) -> None:
        ingress, admin = free_port(), free_port()
        self.ingress_url = f"http://127.0.0.1:{ingress}"
        self.admin_url = f"http://127.0.0.1:{admin}"
        self.data_dir = directory / "perdure-data"
        addresses = ["--ingress", f"127.0.0.1:{ingress}", "--admin", f"127.0.0.1:{admin}"]
        self.process = ChildProcess(
            [PERDURE, "up", target, *addresses, "--data-dir", str(self.data_dir)],
            log_path=directory / "perdure-up.log",
            env=env,
        )

    async def start(self) -> None:
        self.process.start()
        await self.process.wait_for_http(f"{self.ingress_url}/restate/health")

    def kill(self) -> None:
        self.process.kill()

    @property
    def processes(self) -> list[ChildProcess]:
        return [self.process]

    async def restart(self) -> None:
        """SIGKILL and start again on the same data."""
        self.kill()
        await self.start()
