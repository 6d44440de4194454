"""Handlers of the TypeScript SDK, unmodified: the same engine, another client of the service protocol.

Over HTTP/2 they converse; over HTTP/1.1 each attempt is one request and one response.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from child_process import ChildProcess
from free_port import free_port
from invocation_client import InvocationClient
from restate_server import REQUIRED_BY_ENV
from served_engine import Served

SERVICES = Path(__file__).with_name("typescript") / "services.cjs"
NODE_MODULES = Path(__file__).parents[2] / "build" / "npm-typescript" / "node_modules"

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]
if os.environ.get(REQUIRED_BY_ENV) != "1":
    missing = not NODE_MODULES.is_dir() or shutil.which("node") is None
    pytestmark.append(pytest.mark.skipif(missing, reason="needs node and npm (make npm)"))


class NodeEndpoint:
    """`services.cjs` on a free port; `kill` and `start` again keep it."""

    def __init__(self, http: str, notes: Path, directory: Path) -> None:
        self._http = http
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        env = {"HTTP": http, "PORT": str(port), "NOTES_DIRECTORY": str(notes), "NODE_PATH": str(NODE_MODULES)}
        self.process = ChildProcess(["node", str(SERVICES)], log_path=directory / f"node-{http}.log", env=env)

    async def start(self) -> None:
        self.process.start()
        await self.process.wait_for_http(f"{self.url}/health", http2=self._http == "2")


@pytest.fixture(scope="module", params=["2", "1"], ids=["http2", "http1"])
async def node(
    request: pytest.FixtureRequest, served: Served, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[NodeEndpoint]:
    """A registered endpoint; its services' names end with Http and the version."""
    http: str = request.param
    endpoint = NodeEndpoint(http, served.notes, tmp_path_factory.mktemp("node"))
    try:
        await endpoint.start()
        async with served.client() as client:
            body = {"uri": endpoint.url, "use_http_11": http == "1", "force": True}
            registered = await client.admin.post("/deployments", json=body)
            assert registered.is_success, registered.text
        yield endpoint
    finally:
        endpoint.process.kill()


@pytest.fixture
def http(node: NodeEndpoint) -> str:
    return f"Http{node._http}"


@pytest.fixture
async def client(served: Served) -> AsyncIterator[InvocationClient]:
    async with served.client() as client:
        yield client


async def test_values_in_and_out(client: InvocationClient, http: str) -> None:
    assert await client.call(f"/TypeScript{http}/greet", "Ada ✓") == "hello Ada ✓"
    value = {"a": [1, None, "ü"]}
    assert await client.call(f"/TypeScript{http}/echo", value) == value
    body = bytes(range(256))
    raw = await client.ingress.post(
        f"/TypeScript{http}/raw", content=body, headers={"content-type": "application/octet-stream"}
    )
    assert raw.content == body


async def test_a_terminal_error_with_metadata(client: InvocationClient, http: str) -> None:
    failure = {"code": 422, "message": "no", "metadata": {"why": "full"}}
    response = await client.post(f"/TypeScript{http}/refuse", failure)
    assert response.status_code == 422
    assert (response.json()["message"], response.json()["metadata"]) == ("no", {"why": "full"})


async def test_steps_take_place_once(client: InvocationClient, http: str, label: str) -> None:
    assert await client.call(f"/TypeScript{http}/steps", {"label": label, "count": 20}) == [1] * 20


async def test_a_step_is_tried_again(client: InvocationClient, http: str, label: str) -> None:
    assert await client.call(f"/TypeScript{http}/flakyStep", label) == 3


async def test_an_attempt_is_tried_again(client: InvocationClient, http: str, label: str) -> None:
    assert await client.call(f"/TypeScript{http}/failTwice", label) == 3


async def test_random_numbers_ids_and_times_are_the_same_on_each_attempt(
    client: InvocationClient, http: str, label: str
) -> None:
    drawn = await client.call(f"/TypeScript{http}/randomness", label)
    assert len(client.notes(label)) >= 3
    assert len(set(client.notes(label))) == 1
    assert abs(drawn[2] / 1000 - time.time()) < 30


async def test_combinators(client: InvocationClient, http: str) -> None:
    expected: list[Any] = [["a", "b"], "quick", "quick", ["fulfilled"], "TimeoutError"]
    assert await client.call(f"/TypeScript{http}/combinators") == expected


async def test_the_first_success_of_several(client: InvocationClient, http: str, label: str) -> None:
    invocation_id = await client.send(f"/TypeScript{http}/raceOfAny", label)
    [name] = await client.noted(label)
    await client.post(f"/restate/awakeables/{name}/resolve", "yes")
    assert await client.result(invocation_id) == "yes"


async def test_a_named_signal(client: InvocationClient, http: str) -> None:
    invocation_id = await client.send(f"/TypeScript{http}/awaitSignal", "go")
    asked = {"id": invocation_id, "name": "go", "value": [1, 2]}
    await client.call(f"/TypeScript{http}/sendSignal", asked)
    assert await client.result(invocation_id) == [1, 2]


async def test_calls_within_and_across_languages(client: InvocationClient, http: str, label: str) -> None:
    assert await client.call(f"/TypeScript{http}/call", label) == [f"hello {label}", 2]
    assert await client.call(f"/TypeScript{http}/callOtherLanguage", "Ada") == "hello Ada"
    asked = {"service": f"TypeScript{http}", "handler": "greet", "body": '"Eve"'}
    assert await client.call("/Calls/call_any", asked) == '"hello Eve"'


async def test_an_object_and_its_state(client: InvocationClient, http: str, label: str) -> None:
    path = f"/TypeScriptCounter{http}/{label}"
    assert [await client.call(f"{path}/add", n) for n in (1, 2, 3)] == [1, 3, 6]
    assert await client.call(f"{path}/read") == [label, 6, ["count"]]
    assert await client.call(f"{path}/clear") == []
    assert await client.call(f"{path}/read") == [label, None, []]


async def test_a_workflow_and_its_promise(client: InvocationClient, http: str, label: str) -> None:
    path = f"/TypeScriptSignup{http}/{label}"
    invocation_id = await client.send(f"{path}/run", "Ada")
    assert (await client.call(f"{path}/peek"))[0] is None
    await client.call(f"{path}/click", "x")
    assert await client.result(invocation_id) == "Ada clicked x"
    assert (await client.post(f"{path}/reject", "late")).status_code == 409
    assert await client.call(f"{path}/peek") == ["x", "Ada"]


async def test_cancel_lets_code_clean_up(client: InvocationClient, http: str, label: str) -> None:
    invocation_id = await client.send(f"/TypeScript{http}/sleepUntilCancelled", label)
    await client.noted(label)
    await client.act("cancel", invocation_id)
    assert (await client.attach(invocation_id)).status_code == 409
    assert client.notes(label) == ["waiting", "undone"]


async def test_killed_in_the_middle_of_its_steps(
    client: InvocationClient, http: str, node: NodeEndpoint, label: str
) -> None:
    asked = {"label": label, "count": 10, "stepMs": 40}
    invocation_id = await client.send(f"/TypeScript{http}/slowSteps", asked)
    await client.noted(label, 3)
    node.process.kill()
    await node.start()
    assert await client.result(invocation_id) == 10
    assert len(client.notes(label)) <= 11
