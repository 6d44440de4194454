"""What every test may ask for: an asyncio backend, and an engine of either kind."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from engines import ENGINES, Engine, EngineName, engine, running
from restate_server import REQUIRED_BY_ENV, WHY_MISSING, find_binary


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the npm binaries, tests marked `restate` are skipped; where CI sets the variable, they fail."""
    if find_binary() is not None or os.environ.get(REQUIRED_BY_ENV) == "1":
        return
    for item in items:
        if "restate" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=WHY_MISSING))


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.restate if name == "restate-server" else ()) for name in ENGINES
    ]
)
def engine_name(request: pytest.FixtureRequest) -> EngineName:
    """Each engine in turn: a test that uses this runs once on every one."""
    name: EngineName = request.param
    return name


@pytest.fixture
def run_engine(engine_name: EngineName, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Engine]]:
    """`async with run_engine("file.py") as engine:` starts `engine_name` with the handlers of that file."""

    def run(target: str, **env: str) -> AbstractAsyncContextManager[Engine]:
        return running(engine(engine_name, target, tmp_path, env=env))

    return run
