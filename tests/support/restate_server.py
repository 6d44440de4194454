"""The real restate-server, one node on free ports with a data directory of its own.

Its binary comes from npm: `make npm` installs it into build/npm from the lock file in tests/support/restate.
We run the platform's binary itself and not the node wrapper around it, which would survive as an empty
parent, or leave the server behind as an orphan, when its pid gets a SIGKILL.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx2
from child_process import ChildProcess
from free_port import free_port

REPOSITORY = Path(__file__).parents[2]
NODE_MODULES = REPOSITORY / "build" / "npm" / "node_modules"
REQUIRED_BY_ENV = "PERDURE_REQUIRE_RESTATE"
WHY_MISSING = "needs npm (the real restate-server comes from npm: make npm)"


def find_binary(tool: str = "restate-server") -> Path | None:
    """The binary of a tool (the command line is `restate`) for this machine, or None where npm has none."""
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(
        platform.machine(), platform.machine()
    )
    package = f"{tool}-{platform.system().lower()}-{machine}"
    binary = NODE_MODULES / "@restatedev" / package / "bin" / tool
    return binary if os.access(binary, os.X_OK) else None


def server_env(ingress: int, admin: int, fabric: int) -> dict[str, str]:
    """What makes a restate-server listen on these ports, stay small, and be quiet."""
    return {
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{fabric}",
        "RESTATE_DEFAULT_NUM_PARTITIONS": "4",
        "RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE": "256MiB",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "warn,octocrab=off",  # octocrab asks GitHub for a newer version
        "RESTATE_LOG_DISABLE_ANSI_CODES": "true",
    }


class RestateServer:
    """One node. `kill` and `start` again keep its data directory and its ports."""

    def __init__(self, directory: Path, *, env: Mapping[str, str] | None = None) -> None:
        binary = find_binary()
        if binary is None:
            raise FileNotFoundError(WHY_MISSING)
        ingress, admin, fabric = free_port(), free_port(), free_port()
        self.ingress_url = f"http://127.0.0.1:{ingress}"
        self.admin_url = f"http://127.0.0.1:{admin}"
        self._services: set[str] = set()
        self.process = ChildProcess(
            [str(binary), "--no-logo", "--node-name", "node", "--base-dir", str(directory / "restate-data")],
            log_path=directory / "restate-server.log",
            env={**server_env(ingress, admin, fabric), **(env or {})},
        )

    async def start(self) -> None:
        self.process.start()
        await self.process.wait_for_http(f"{self.ingress_url}/restate/health")
        await self.process.wait_for_http(f"{self.admin_url}/health")
        await self._know_services()

    async def _know_services(self) -> None:
        """After a restart the ingress may answer before it knows again what is registered."""
        async with httpx2.AsyncClient(base_url=self.ingress_url, timeout=30) as client:
            with anyio.fail_after(30):
                for service in self._services:
                    while f"service '{service}' not found" in (await client.post(f"/{service}/x")).text:  # noqa: ASYNC110
                        await anyio.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()

    async def register(self, endpoint_url: str) -> str:
        """Make the server discover the service endpoint; returns the deployment id."""
        async with httpx2.AsyncClient(timeout=30) as client:
            response = await client.post(
                f"{self.admin_url}/deployments", json={"uri": endpoint_url, "force": True}
            )
        assert response.is_success, f"{endpoint_url} not registered: {response.status_code} {response.text}"
        self._services |= {service["name"] for service in response.json()["services"]}
        return str(response.json()["id"])

    async def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a SQL query over the server's introspection tables, each column as JSON."""
        async with httpx2.AsyncClient(timeout=30) as client:
            response = await client.post(
                f"{self.admin_url}/query", json={"query": sql}, headers={"accept": "application/json"}
            )
        assert response.is_success, f"{sql}: {response.status_code} {response.text}"
        rows: list[dict[str, Any]] = response.json()["rows"]
        return rows
