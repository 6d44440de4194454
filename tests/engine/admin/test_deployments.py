"""Deployments: of this process, and of others over HTTP/2 and HTTP/1.1."""

from __future__ import annotations

from pathlib import Path

import pytest
import restate
from service_endpoint import ServiceEndpoint

pytestmark = pytest.mark.anyio

service = restate.Service("S")


@service.handler()
async def shout(ctx: restate.Context, word: str) -> str:
    return word.upper()


REMOTE = """
import asyncio, os
from datetime import timedelta
import restate

remote = restate.Service("Remote")

@remote.handler(invocation_retry_policy=restate.InvocationRetryPolicy(initial_interval=timedelta(milliseconds=50)))
async def work(ctx: restate.Context, name: str) -> list[str]:
    async def effect(step: str) -> str:
        with open(os.environ["EFFECTS"], "a") as log:
            log.write(step + "\\n")
        return step

    first = await ctx.run_typed("first", effect, step=f"first {name}")
    await ctx.sleep(timedelta(milliseconds=300))
    return [first, await ctx.run_typed("second", effect, step=f"second {name}")]

app = restate.app([remote])
"""


@pytest.fixture
async def endpoint(tmp_path: Path):
    """A real service endpoint in another process, and the log of what its steps did."""
    (tmp_path / "remote.py").write_text(REMOTE)
    effects = tmp_path / "effects"
    endpoint = ServiceEndpoint(str(tmp_path / "remote.py"), tmp_path, env={"EFFECTS": str(effects)})
    await endpoint.start()
    endpoint.effects = effects
    yield endpoint
    endpoint.kill()


async def test_what_is_deployed(start_engine) -> None:
    async with start_engine(service) as engine:
        (deployment,) = (await engine.admin.get("/deployments")).json()["deployments"]
        (listed,) = (await engine.admin.get("/services")).json()["services"]
        version = (await engine.admin.get("/version")).json()

    assert [s["name"] for s in deployment["services"]] == ["S"]
    assert listed["deployment_id"] == deployment["id"]
    assert [handler["name"] for handler in listed["handlers"]] == ["shout"]
    assert version["ingress_endpoint"] == engine.server.ingress_url


@pytest.mark.parametrize("http1", [False, True], ids=["HTTP/2", "HTTP/1.1"])
async def test_a_remote_deployment_is_registered_and_called(start_engine, endpoint, http1) -> None:
    async with start_engine() as engine:
        body = {"uri": endpoint.url, "use_http_11": http1}
        registered = await engine.admin.post("/deployments", json=body)
        assert registered.status_code == 201, registered.text
        assert (await engine.admin.post("/deployments", json=body)).status_code == 200

        answer = await engine.call("Remote/work", "a")
        described = await engine.describe(answer.headers["x-restate-id"])

    assert answer.json() == ["first a", "second a"]
    assert endpoint.effects.read_text().splitlines() == ["first a", "second a"]
    # Over HTTP/1.1 the handler cannot hear of its sleep while it runs: it suspends, and comes back.
    assert (described["attempt"] > 1) == http1


async def test_an_endpoint_that_dies_is_tried_again(start_engine, endpoint) -> None:
    async with start_engine() as engine:
        await engine.admin.post("/deployments", json={"uri": endpoint.url})
        invocation_id = await engine.send("Remote/work", "a")
        await engine.when(invocation_id, lambda view: len(view["journal"]) >= 4)
        endpoint.kill()
        view = await engine.when(invocation_id, lambda view: "last_failure" in view)
        assert (
            "the connection to http://" in view["last_failure"] or "closed the stream" in view["last_failure"]
        )

        await endpoint.start()
        assert (await engine.attach(invocation_id)).json() == ["first a", "second a"]
    assert endpoint.effects.read_text().splitlines() == ["first a", "second a"]


async def test_an_engine_that_restarts_knows_its_remote_deployments(start_engine, endpoint) -> None:
    async with start_engine() as engine:
        await engine.admin.post("/deployments", json={"uri": endpoint.url})
        invocation_id = await engine.send("Remote/work", "a")
        await engine.when(invocation_id, lambda view: len(view["journal"]) >= 4)

    async with start_engine() as engine:
        assert (await engine.attach(invocation_id)).json() == ["first a", "second a"]
    assert endpoint.effects.read_text().splitlines() == ["first a", "second a"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param({"uri": "http://127.0.0.1:1"}, "cannot reach http://127.0.0.1:1", id="nobody there"),
        pytest.param({"uri": "localhost:9080"}, "uri:", id="no scheme"),
        pytest.param({}, "uri: Field required", id="no uri"),
    ],
)
async def test_a_registration_that_cannot_be(start_engine, body, says) -> None:
    async with start_engine() as engine:
        answer = await engine.admin.post("/deployments", json=body)

    assert answer.status_code == 400
    assert says in answer.json()["message"]
