"""A whole engine in this process, on free ports and a temporary file, with real restate-sdk handlers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import restate

from perdure.engine.runtime.options import EngineOptions
from perdure.engine.server import EngineServer


@dataclass
class RunningEngine:
    """The server, and a client for each of its doors."""

    server: EngineServer
    ingress: httpx2.AsyncClient
    admin: httpx2.AsyncClient
    resumed: int

    async def call(self, handler: str, body: Any = None, **headers: str) -> httpx2.Response:
        """POST a JSON body to `Service/handler`."""
        return await self.ingress.post(f"/{handler}", json=body, headers=headers)

    async def send(self, handler: str, body: Any = None, **query: str) -> str:
        """Send, and return the invocation's id."""
        answer = await self.ingress.post(f"/{handler}/send", json=body, params=query)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["invocationId"])

    async def attach(self, invocation_id: str) -> httpx2.Response:
        """Wait for the result."""
        return await self.ingress.get(f"/restate/invocation/{invocation_id}/attach")

    async def describe(self, invocation_id: str) -> dict[str, Any]:
        """The admin API's view of an invocation."""
        answer = await self.admin.get(f"/invocations/{invocation_id}")
        assert answer.status_code == 200, answer.text
        view: dict[str, Any] = answer.json()
        return view

    async def when(self, invocation_id: str, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The view of an invocation as soon as it satisfies `holds`. The API has no way to wait for that."""
        async with asyncio.timeout(15):
            while not holds(view := await self.describe(invocation_id)):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return view

    async def status(self, invocation_id: str) -> str:
        """Its status."""
        return str((await self.describe(invocation_id))["status"])


StartEngine = Callable[..., AbstractAsyncContextManager[RunningEngine]]


@pytest.fixture
def start_engine(tmp_path: Path) -> StartEngine:
    """`async with start_engine(service, ..., inactivity_timeout_ms=0) as engine:`; always the same file."""

    @asynccontextmanager
    async def start(
        *services: restate.Service, data_dir: Path = tmp_path, **options: Any
    ) -> AsyncIterator[RunningEngine]:
        chosen = EngineOptions(data_dir=data_dir, ingress="127.0.0.1:0", admin="127.0.0.1:0", **options)
        async with EngineServer(chosen) as server:
            resumed = 0
            if services:
                _, resumed = await server.serve_app(restate.app(services), "test")
            async with (
                httpx2.AsyncClient(base_url=server.ingress_url, timeout=20) as ingress,
                httpx2.AsyncClient(base_url=server.admin_url, timeout=20) as admin,
            ):
                yield RunningEngine(server, ingress, admin, resumed)

    return start
