"""One step of an invocation."""

from __future__ import annotations

import httpx2
import pytest
import travel_desk

from perdure.inspection.admin_api import AdminApi
from perdure.testing import harness
from perdure.ui.app import mounted

pytestmark = pytest.mark.anyio


async def test_a_long_value_is_saved_whole() -> None:
    text = "x" * 3_000_000
    async with (
        harness(travel_desk.app, ports=True, skip_time=False) as h,
        AdminApi(h.admin_url) as api,
        httpx2.AsyncClient() as caller,
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=mounted(api, is_loopback=True)), base_url="http://localhost"
        ) as browser,
    ):
        sent = await caller.post(f"{h.ingress_url}/Desk/echo/send", json=text)
        saved = await browser.get(f"/ui/invocations/{sent.json()['invocationId']}/steps/0/value")
    assert saved.json() == text
