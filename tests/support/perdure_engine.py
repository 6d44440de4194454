"""`perdure engine` as a child process: the embedded engine without an app, on free ports.

It takes deployments over its admin API, as restate-server does, so both are driven by the same lines.
"""

from __future__ import annotations

from pathlib import Path

import httpx2
from child_process import PERDURE, ChildProcess
from free_port import free_port


class PerdureEngine:
    """One engine. `kill` and `start` again keep its data directory and its ports."""

    def __init__(self, directory: Path) -> None:
        ingress, admin = free_port(), free_port()
        self.ingress_url = f"http://127.0.0.1:{ingress}"
        self.admin_url = f"http://127.0.0.1:{admin}"
        addresses = ["--ingress", f"127.0.0.1:{ingress}", "--admin", f"127.0.0.1:{admin}"]
        self.process = ChildProcess(
            [PERDURE, "engine", *addresses, "--data-dir", str(directory / "perdure-data")],
            log_path=directory / "perdure-engine.log",
        )

    async def start(self) -> None:
        self.process.start()
        await self.process.wait_for_http(f"{self.ingress_url}/restate/health")
        await self.process.wait_for_http(f"{self.admin_url}/health")

    def kill(self) -> None:
        self.process.kill()

    async def register(self, endpoint_url: str) -> str:
        """Make the engine discover the service endpoint; returns the deployment id."""
        async with httpx2.AsyncClient(timeout=30) as client:
            response = await client.post(
                f"{self.admin_url}/deployments", json={"uri": endpoint_url, "force": True}
            )
        assert response.is_success, f"{endpoint_url} not registered: {response.status_code} {response.text}"
        return str(response.json()["id"])
