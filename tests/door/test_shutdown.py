"""A stopped engine tells those who read, in the words of their API; runs go on when it is back."""

from __future__ import annotations

from typing import Any

import pytest
import storyteller
from openai import APIError, AsyncOpenAI

from perdure.testing import harness

pytestmark = pytest.mark.anyio


async def test_a_stopped_engine_breaks_streams_off_with_an_error() -> None:
    async with harness(storyteller.app, ports=True) as h:
        async with AsyncOpenAI(base_url=f"{h.ingress_url}/v1", api_key="any") as client:
            stream = await client.responses.create(model="Room", input="Hi", stream=True)
            created = await anext(stream)
            messages: Any = [{"role": "user", "content": "Hi"}]
            chunks = await client.chat.completions.create(
                model="Room", messages=messages, user="ada", stream=True
            )
            await anext(chunks)
            await h.restart()
            for broken in (stream, chunks):
                with pytest.raises(APIError, match="goes on when it is back"):
                    [event async for event in broken]
        async with AsyncOpenAI(base_url=f"{h.ingress_url}/v1", api_key="any") as client:
            assert (await client.responses.retrieve(created.response.id)).status == "in_progress"
            assert (await client.responses.cancel(created.response.id)).status == "cancelled"
