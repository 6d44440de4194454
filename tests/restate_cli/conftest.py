"""The real `restate` command line, pointed at each engine in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engines import ENGINES
from invocation_client import InvocationClient
from perdure_engine import PerdureEngine
from restate_cli import RestateCli
from restate_server import RestateServer
from service_endpoint import ServiceEndpoint

SERVICES = str(Path(__file__).with_name("services.py"))


class Pointed:
    """An engine, its service endpoint, and the command line."""

    def __init__(self, name: str, directory: Path) -> None:
        self.engine = PerdureEngine(directory) if name == "embedded" else RestateServer(directory)
        self.endpoint = ServiceEndpoint(SERVICES, directory)
        self.cli = RestateCli(self.engine, directory / "home")

    async def start(self) -> None:
        await self.engine.start()
        await self.endpoint.start()

    def kill(self) -> None:
        self.endpoint.kill()
        self.engine.kill()


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=pytest.mark.restate) for name in ENGINES],
)
async def pointed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pointed]:
    """Each engine in turn, one process for all commands, with the services registered by the command."""
    pointed = Pointed(request.param, tmp_path_factory.mktemp(request.param))
    try:
        await pointed.start()
        registered = pointed.cli("deployments", "register", pointed.endpoint.url)
        assert registered.exit_code == 0, registered
        yield pointed
    finally:
        pointed.kill()


@pytest.fixture
def cli(pointed: Pointed) -> RestateCli:
    """`cli("invocations", "list")`"""
    return pointed.cli


@pytest.fixture(scope="session")
async def client(
    pointed: Pointed, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[InvocationClient]:
    """The ingress and the admin API of the same engine."""
    notes = tmp_path_factory.mktemp("notes")
    async with InvocationClient(pointed.engine.ingress_url, pointed.engine.admin_url, notes) as client:
        yield client
