"""The command line and `perdure up`, whose handlers have no address of their own."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from embedded_engine import EmbeddedEngine
from restate_cli import RestateCli

pytestmark = [pytest.mark.anyio, pytest.mark.restate, pytest.mark.timeout(60)]

SERVICES = str(Path(__file__).with_name("services.py"))


async def test_handlers_of_the_engines_own_process_are_a_deployment_too(tmp_path: Path) -> None:
    engine = EmbeddedEngine(SERVICES, tmp_path)
    cli = RestateCli(engine, tmp_path / "home")
    try:
        await engine.start()
        async with httpx2.AsyncClient(timeout=20) as client:
            done = await client.post(f"{engine.ingress_url}/Greeter/greet", json="x")
        described = cli("invocations", "describe", done.headers["x-restate-id"])
        assert "Status: completed with success" in described
        [row] = [line for line in cli("deployments", "list").lines if "dp_" in line]
        uri, kind, identity = row.split()[:3]
        assert (uri, kind) == (f"in-process://engine{SERVICES}", "HTTP")
        assert f"Endpoint: {uri}" in cli("deployments", "describe", identity)
        assert f"Deployment ID: {identity}" in cli("services", "describe", "Greeter")
    finally:
        engine.kill()
