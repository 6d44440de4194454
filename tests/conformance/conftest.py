"""The engines that the suite runs on: each a process of its own beside two service endpoints."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from engines import ENGINES, EngineName
from invocation_client import InvocationClient
from served_engine import Served

SERVICES = str(Path(__file__).with_name("services.py"))

EACH_ENGINE = [
    pytest.param(name, marks=pytest.mark.restate if name == "restate-server" else ()) for name in ENGINES
]


@pytest.fixture(scope="session")
def started() -> Iterator[dict[EngineName, Served]]:
    """The engines of this test process by name, each started by the first case that needs it."""
    started: dict[EngineName, Served] = {}
    yield started
    for served in started.values():
        served.kill()


@pytest.fixture(scope="module", params=EACH_ENGINE)
async def served(
    request: pytest.FixtureRequest,
    started: dict[EngineName, Served],
    tmp_path_factory: pytest.TempPathFactory,
) -> Served:
    """Each engine in turn, one process for all cases."""
    name: EngineName = request.param
    if name not in started:
        started[name] = Served(name, SERVICES, tmp_path_factory.mktemp(name))
    await started[name].ensure_running()
    return started[name]


@pytest.fixture(scope="module")
async def client(served: Served) -> AsyncIterator[InvocationClient]:
    async with served.client() as client:
        yield client


@pytest.fixture(params=["", "Replayed"], ids=["live", "replayed"])
def suffix(request: pytest.FixtureRequest) -> str:
    """A service `Basics` is there twice: as it is, and as `BasicsReplayed`, which suspends at each await."""
    text: str = request.param
    return text


@pytest.fixture
def label() -> str:
    """A name that is this test's own: for its notes, keys of objects and of workflows."""
    return uuid.uuid4().hex
