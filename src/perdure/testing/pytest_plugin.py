"""The pytest plugin: the fixture `perdure_harness`, and the option `--perdure-always-replay`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from perdure.testing import Harness

# Typed for users: `async def test_...(perdure_harness: HarnessFactory) -> None`.
HarnessFactory = Callable[..., "AbstractAsyncContextManager[Harness]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("perdure").addoption(
        "--perdure-always-replay",
        action="store_true",
        help="end each attempt of a durable handler at every await, so that nondeterminism shows at once",
    )


@pytest.fixture
def perdure_harness(request: pytest.FixtureRequest, tmp_path: Path) -> HarnessFactory:
    """`async with perdure_harness(app) as h:`, with the parameters of `perdure.testing.harness`.

    The engine's file is in the test's `tmp_path`, where pytest keeps it for a while. `always_replay` is as
    the command line says, if the test does not say it.
    """
    always_replay = request.config.getoption("--perdure-always-replay")
    number = count(1)

    def make(*app: Any, **options: Any) -> AbstractAsyncContextManager[Harness]:
        from perdure.testing import harness  # not at the top: every pytest run imports this module

        defaults = {"always_replay": always_replay, "data_dir": tmp_path / f"perdure-data-{next(number)}"}
        return harness(*app, **(defaults | options))

    return make
