"""A process that is killed while the provider works on background responses: the next one fetches them."""

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
    """`ask` polls for its response; `tell` reads its stream, of which a word has come at each death."""
    api = ModelApi(outcomes=[None], held_after=5)  # the provider works until it is told to finish
    async with served(api) as url:
        service = engine(engine_name, str(AGENT), tmp_path, env={"MODEL_API": url})
        victim = service if isinstance(service, EmbeddedEngine) else service.endpoint
        async with running(service), httpx2.AsyncClient(base_url=service.ingress_url, timeout=30) as client:
            sent = [(await client.post(f"/Research/{h}/send", json="why?")).json() for h in ("ask", "tell")]
            for _ in range(KILLS):
                seen = len(api.retrieved)
                with anyio.fail_after(30):
                    while set(api.retrieved[seen:]) != {"resp_1", "resp_2"}:  # noqa: ASYNC110 - both again
                        await anyio.sleep(0.01)
                victim.kill()
                await victim.start()
            api.finish()
            answers = [await client.get(f"/restate/invocation/{s['invocationId']}/attach") for s in sent]

    assert [answer.json() for answer in answers] == [TEXT, TEXT]
    assert api.created == ["resp_1", "resp_2"]
    assert api.cancelled == []
    assert api.streamed > KILLS
