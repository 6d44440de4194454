"""A service may be called v1: its paths then mean what they mean on restate-server."""

from __future__ import annotations

import pytest
import restate

from perdure.testing import harness

pytestmark = pytest.mark.anyio


async def test_a_service_called_v1_stands_before_the_door() -> None:
    service = restate.Service("v1")

    @service.handler()
    async def responses(ctx: restate.Context, message: str) -> str:
        return f"{message}!"

    async with harness(restate.app([service])) as h:
        assert await h.call("v1/responses", "Hello") == "Hello!"
        assert (await h.ingress.get("/v1/models")).status_code == 404
