"""What every test may ask for: an asyncio backend, and an engine of either kind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from engines import ENGINES, Engine, EngineName, engine, running
from restate_server import REQUIRED_BY_ENV, WHY_MISSING, find_binary

# A shell makes its background jobs ignore SIGINT, and so their children: tests that press Ctrl-C need it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Share the tests out among the workers, and skip what cannot run here.

    A file stays on one worker, for the sake of the engine that its tests share; but each storm of kills is a
    minute and a half by itself, so they go first, and apart. Without the npm binaries, tests marked `restate`
    are skipped; where CI sets the variable, they fail.
    """
    items.sort(key=lambda item: not _is_storm(item))
    for item in items:
        group = item.nodeid if _is_storm(item) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    if find_binary() is not None or os.environ.get(REQUIRED_BY_ENV) == "1":
        return
    for item in items:
        if "restate" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=WHY_MISSING))


def pytest_collection_finish() -> None:
    """A client of OpenAI that a test leaves behind is closed by the collector: in the event loop of a later
    test, which fails for connections that belong to a loop that is closed. Here it is just freed.
    """
    if "openai" in sys.modules:
        from openai._base_client import AsyncHttpxClientWrapper

        AsyncHttpxClientWrapper.__del__ = lambda self: None  # type: ignore[method-assign]


def _is_storm(item: pytest.Item) -> bool:
    return item.path.parent.name == "crash" and "crash" in item.keywords


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
