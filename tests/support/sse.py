"""Server-sent events, read one by one over a real connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2


@dataclass(frozen=True)
class Received:
    """One event as it came."""

    id: int
    type: str
    data: dict[str, Any]


async def events_of(response: httpx2.Response) -> AsyncIterator[Received]:
    """Events until the answer ends. Comments and `retry` are dropped."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if not line and "data" in fields:
            yield Received(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


@asynccontextmanager
async def reading(
    client: httpx2.AsyncClient, path: str, last_id: int | None = None, **query: object
) -> AsyncIterator[AsyncIterator[Received]]:
    """`async with reading(client, path) as events: await anext(events)`. Asserts that there is a stream."""
    headers = {} if last_id is None else {"last-event-id": str(last_id)}
    params = {name.rstrip("_"): str(value) for name, value in query.items()}
    async with client.stream("GET", path, headers=headers, params=params) as response:
        assert response.status_code == 200, await response.aread()
        yield events_of(response)


async def read_all(
    client: httpx2.AsyncClient, path: str, last_id: int | None = None, **query: object
) -> list[Received]:
    """Every event until the stream ends."""
    async with reading(client, path, last_id, **query) as events:
        return [event async for event in events]
