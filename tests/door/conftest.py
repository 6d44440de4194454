"""Agents on either engine, and OpenAI's own client pointed at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import door_agents
import pytest
from engines import ENGINES
from openai import AsyncOpenAI
from streaming_engine import StreamingEngine

PARAMS = [
    pytest.param(name, marks=pytest.mark.restate if name == "restate-server" else ()) for name in ENGINES
]


@pytest.fixture(scope="module", params=PARAMS)
async def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StreamingEngine]:
    """Its handlers are those of the module's TARGET, if it names a file."""
    target = getattr(request.module, "TARGET", door_agents.__file__)
    engine = StreamingEngine(request.param, str(Path(target)), tmp_path_factory.mktemp("door"))
    try:
        await engine.start()
        yield engine
    finally:
        engine.kill()


@pytest.fixture
async def client(engine: StreamingEngine) -> AsyncIterator[AsyncOpenAI]:
    """Unmodified, but for the base URL."""
    async with AsyncOpenAI(base_url=f"{engine.url}/v1", api_key="any") as client:
        yield client
