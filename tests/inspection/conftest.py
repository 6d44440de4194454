"""Both engines with the same handlers, looked at by the same functions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from engines import ENGINES, engine, running
from inspected_office import Office

from perdure.inspection.admin_api import AdminApi

SERVICE = Path(__file__).parents[1] / "support" / "inspected_service.py"


@pytest.fixture(scope="module")
def service_file() -> Path:
    """The handlers; a module of tests may have its own."""
    return SERVICE


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.restate if name == "restate-server" else ()) for name in ENGINES
    ],
)
async def office(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, service_file: Path
) -> AsyncIterator[Office]:
    """One of each engine for all tests of a module: each test looks at what it has made itself."""
    directory = tmp_path_factory.mktemp("inspected")
    name: Any = request.param
    async with (
        running(engine(name, str(service_file), directory)) as served,
        AdminApi(served.admin_url) as api,
        httpx2.AsyncClient(base_url=served.ingress_url, timeout=30) as ingress,
    ):
        yield Office(name, served, api, ingress)
