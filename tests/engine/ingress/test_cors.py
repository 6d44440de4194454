"""Web pages that call the ingress from a browser."""

from __future__ import annotations

import httpx2
import pytest
import restate
from starlette.applications import Starlette

from perdure.engine.ingress.cors import cors_middleware
from perdure.engine.runtime.options import EngineOptions

pytestmark = pytest.mark.anyio

PAGE = "http://localhost:5173"

greeter = restate.Service("Greeter")


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


async def test_a_page_on_another_port_may_call_and_read_the_invocations_id(start_engine) -> None:
    async with start_engine(greeter) as engine:
        asked = await engine.ingress.options(
            "/Greeter/greet",
            headers={
                "origin": PAGE,
                "access-control-request-method": "POST",
                "access-control-request-headers": "content-type,idempotency-key",
            },
        )
        called = await engine.ingress.post("/Greeter/greet", json="Ada", headers={"origin": PAGE})
        refused = await engine.ingress.post("/Nobody/greet", json="Ada", headers={"origin": PAGE})

    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "idempotency-key" in asked.headers["access-control-allow-headers"]
    assert called.headers["access-control-allow-origin"] == PAGE
    assert "x-restate-id" in called.headers["access-control-expose-headers"]
    assert refused.headers["access-control-allow-origin"] == PAGE, "a page must be able to read its error"


async def test_named_origins_and_no_others(start_engine) -> None:
    async with start_engine(greeter, cors_origins=(PAGE,)) as engine:
        ours = await engine.ingress.post("/Greeter/greet", json="Ada", headers={"origin": PAGE})
        theirs = await engine.ingress.post("/Greeter/greet", json="Ada", headers={"origin": "http://x.test"})

    assert ours.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-origin" not in theirs.headers


@pytest.mark.parametrize(
    ("ingress", "origins", "allowed"),
    [
        ("127.0.0.1:8080", (), True),
        ("[::1]:8080", (), True),
        ("localhost:8080", (), True),
        ("0.0.0.0:8080", (), False),
        ("192.0.2.7:8080", (), False),
        ("0.0.0.0:8080", ("*",), True),
    ],
)
async def test_pages_anywhere_may_call_only_where_nobody_else_can(ingress, origins, allowed) -> None:
    app = Starlette(middleware=[cors_middleware(EngineOptions(ingress=ingress, cors_origins=origins))])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/", headers={"origin": PAGE})
    assert (answer.headers.get("access-control-allow-origin") == PAGE) is allowed
