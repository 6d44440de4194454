"""A real engine in a process of its own, with agents, and OpenAI's own client pointed at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import door_agents
import pytest
from embedded_engine import EmbeddedEngine
from openai import AsyncOpenAI


@pytest.fixture(scope="package")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedEngine]:
    engine = EmbeddedEngine(str(Path(door_agents.__file__)), tmp_path_factory.mktemp("door"))
    await engine.start()
    yield engine
    engine.kill()


@pytest.fixture
async def client(engine: EmbeddedEngine) -> AsyncIterator[AsyncOpenAI]:
    """Unmodified, but for the base URL."""
    async with AsyncOpenAI(base_url=f"{engine.ingress_url}/v1", api_key="any") as client:
        yield client
