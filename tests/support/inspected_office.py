"""An engine of either kind that is looked at, and ways to give it something to do."""

from __future__ import annotations

import asyncio

import anyio
import httpx2
from engines import Engine, EngineName

from perdure.inspection.admin_api import AdminApi
from perdure.inspection.invocation_list import invocation
from perdure.inspection.records import Invocation


class Office:
    def __init__(self, name: EngineName, engine: Engine, api: AdminApi, ingress: httpx2.AsyncClient) -> None:
        self.name, self.engine, self.api, self._ingress = name, engine, api, ingress

    async def call(self, target: str, body: object = None, **headers: str) -> str:
        """The id of the invocation, which has completed, well or not."""
        answer = await self._ingress.post(f"/{target}", json=body, headers=headers)
        return str(answer.headers["x-restate-id"])

    async def send(self, target: str, body: object = None, **query: str) -> str:
        answer = await self._ingress.post(f"/{target}/send", json=body, params=query)
        return str(answer.json()["invocationId"])

    async def resolve(self, awakeable_id: str, value: object) -> None:
        answer = await self._ingress.post(f"/restate/awakeables/{awakeable_id}/resolve", json=value)
        assert answer.is_success, answer.text

    async def in_state(self, invocation_id: str, *states: str) -> Invocation:
        """The invocation once it is in one of these states."""
        with anyio.fail_after(30):
            while True:
                found = await invocation(self.api, invocation_id)
                if found.state in states:
                    return found
                await asyncio.sleep(0.02)
