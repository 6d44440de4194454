"""A client of the test's engine, and a network between them that breaks where the test says.

`ingress`, the URL of the engine, is each file's own: it serves what the file is about.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from cutting_proxy import CuttingProxy, cutting_proxy

from perdure.client import Backoff, Client


@pytest.fixture
async def client(ingress: str) -> AsyncIterator[Client]:
    async with Client(ingress, backoff=Backoff(first_ms=1, max_ms=20, give_up_after_s=5)) as client:
        yield client


@pytest.fixture
async def proxy(ingress: str) -> AsyncIterator[CuttingProxy]:
    port = urlsplit(ingress).port
    assert port is not None
    async with cutting_proxy(port) as proxy:
        yield proxy
