"""HTTP clients of an ingress: invocations called at once, timed from the first call to the last answer."""

from __future__ import annotations

import asyncio
import time

import pyqwest


class IngressLoad:
    """Calls `Bench/steps` on one ingress. One client, in Rust, so that the clock times the engine."""

    def __init__(self, ingress_url: str) -> None:
        self._url = f"{ingress_url}/Bench/steps"
        self._client = pyqwest.Client(pyqwest.HTTPTransport(timeout=600, enable_otel=False))

    async def seconds(self, invocations: int, steps: int) -> float:
        """Wall time of `invocations` calls at once, of `steps` journaled steps each."""
        begin = time.perf_counter()
        await asyncio.gather(*(self._call(steps) for _ in range(invocations)))
        return time.perf_counter() - begin

    async def _call(self, steps: int) -> None:
        headers = {"content-type": "application/json"}
        response = await self._client.post(self._url, headers=headers, content=str(steps).encode())
        if response.status != 200 or response.json() != steps:
            raise RuntimeError(f"{self._url}: {response.status} {response.text()}")
