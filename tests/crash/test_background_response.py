"""A process that is killed while the provider works on a background response: the next one fetches it."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx2
import pytest
from embedded_engine import EmbeddedEngine
from engines import EngineName, engine, running
from model_api import TEXT, ModelApi, served

AGENT = Path(__file__).with_name("background_agent.py")
KILLS = 3


@pytest.mark.anyio
async def test_a_response_is_created_once_however_often_its_process_is_killed(
    engine_name: EngineName, tmp_path: Path
) -> None:
    api = ModelApi(outcomes=[None])  # the provider works until it is told to finish
    async with served(api) as url:
        service = engine(engine_name, str(AGENT), tmp_path, env={"MODEL_API": url})
        victim = service if isinstance(service, EmbeddedEngine) else service.endpoint
        async with running(service), httpx2.AsyncClient(base_url=service.ingress_url, timeout=30) as client:
            sent = (await client.post("/Research/ask/send", json="why?")).json()
            for _ in range(KILLS):
                seen = len(api.retrieved)
                with anyio.fail_after(30):
                    while len(api.retrieved) == seen:  # noqa: ASYNC110 - somebody fetches it again
                        await anyio.sleep(0.01)
                victim.kill()
                await victim.start()
            api.finish()
            answer = await client.get(f"/restate/invocation/{sent['invocationId']}/attach")

    assert answer.json() == TEXT
    assert api.created == ["resp_1"]
    assert api.cancelled == []
    assert set(api.retrieved) == {"resp_1"}
