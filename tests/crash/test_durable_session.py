"""SIGKILL before each command of a chat: each item is in its history once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from embedded_engine import EmbeddedEngine
from engines import EngineName, engine, running

AGENT = Path(__file__).with_name("chat_agent.py")
ITEMS = ["user", "message", "user", "function_call", "function_call_output", "message"]
COMMANDS_MIN = 20  # that many boundaries there are at least
SAMPLE = (3, 8, 13, 18)  # on restate-server


@pytest.mark.crash
@pytest.mark.anyio
@pytest.mark.timeout(400)
async def test_no_item_is_lost_or_doubled_by_a_death_before_any_command(
    engine_name: EngineName, tmp_path: Path
) -> None:
    order = tmp_path / "die-at"
    deaths = 0
    service = engine(engine_name, str(AGENT), tmp_path, env={"DIE_AT": str(order)})
    victim = service if isinstance(service, EmbeddedEngine) else service.endpoint
    async with running(service), httpx2.AsyncClient(timeout=60, base_url=service.ingress_url) as client:
        for command in SAMPLE if engine_name == "restate-server" else range(1, 100):
            order.write_text(str(command))
            chat = f"/Chat/killed-at-{command}"
            asking = asyncio.ensure_future(_ask(client, f"{chat}/talk"))
            while victim.process.alive and not asking.done():  # noqa: ASYNC110 - another process
                await anyio.sleep(0.01)
            survived = order.exists()
            order.unlink(missing_ok=True)
            if not victim.process.alive:
                victim.kill()
                await victim.start()
                deaths += 1
            assert await asking == "22 degrees"
            items = (await client.get(f"{chat}/history")).json()
            assert [item.get("type") or item["role"] for item in items] == ITEMS, chat
            if survived:
                break
    assert deaths >= (COMMANDS_MIN if engine_name == "embedded" else len(SAMPLE))
    print(f"{deaths} SIGKILLs")


async def _ask(client: httpx2.AsyncClient, path: str) -> Any:
    """The answer, as a client gets it that calls again when its connection breaks."""
    while True:
        try:
            return (await client.post(path, headers={"idempotency-key": path})).json()
        except httpx2.TransportError:
            await anyio.sleep(0.02)
