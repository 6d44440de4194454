"""restate-server replays a long journal as one small HTTP/2 frame for each entry, thousands at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest
from engines import RestateServerWithEndpoint, running

from perdure.protocol.ids import encode_awakeable_id

FIRST_AWAKEABLE = 17
STEPS = 1_500  # two entries each

pytestmark = [pytest.mark.anyio, pytest.mark.restate, pytest.mark.timeout(90)]


async def test_a_journal_of_three_thousand_entries_is_replayed(tmp_path: Path) -> None:
    engine = RestateServerWithEndpoint(str(Path(__file__).with_name("long_journal.py")), tmp_path)
    async with running(engine), httpx2.AsyncClient(base_url=engine.ingress_url, timeout=40) as ingress:
        sent = await ingress.post("/History/record/send", json=STEPS)
        invocation_id = sent.json()["invocationId"]
        query = f"SELECT journal_size FROM sys_invocation WHERE id = '{invocation_id}'"
        async with asyncio.timeout(40):
            while (await engine.server.query(query))[0].get("journal_size", 0) <= 2 * STEPS:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

        engine.endpoint.kill()
        await engine.endpoint.start()
        awakeable = encode_awakeable_id(invocation_id, FIRST_AWAKEABLE)
        await ingress.post(f"/restate/awakeables/{awakeable}/resolve", json="go on")

        assert (await ingress.get(f"/restate/attach/{invocation_id}")).json() == STEPS
