"""Deployments are immutable: what has begun stays where it runs, and new revisions take what is new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from service_endpoint import ServiceEndpoint

pytestmark = pytest.mark.anyio

CODE = """
import os
from datetime import timedelta
import restate

policy = restate.InvocationRetryPolicy(initial_interval=timedelta(milliseconds=20), exponentiation_factor=1)
service = restate.{kind}("Remote")

@service.handler(invocation_retry_policy=policy)
async def work(ctx: {context}) -> str:
    id, answered = ctx.awakeable()
    await ctx.run_typed(id, lambda: None)
    await answered
    return os.environ["REVISION"]

app = restate.app([service])
"""


@asynccontextmanager
async def revision(number: int, directory: Path, kind: str = "Service") -> AsyncIterator[ServiceEndpoint]:
    """A real service endpoint in a process of its own."""
    home = directory / f"revision-{number}"
    home.mkdir()
    context = "restate.Context" if kind == "Service" else "restate.ObjectContext"
    (home / "remote.py").write_text(CODE.format(kind=kind, context=context))
    endpoint = ServiceEndpoint(str(home / "remote.py"), home, env={"REVISION": str(number)})
    try:
        await endpoint.start()
        yield endpoint
    finally:
        endpoint.kill()


async def register(engine, endpoint: ServiceEndpoint, **more: object) -> str:
    answer = await engine.admin.post("/deployments", json={"uri": endpoint.url, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def begin(engine) -> str:
    """Start one that waits for its awakeable."""
    invocation_id = await engine.send("Remote/work")
    await engine.when(invocation_id, lambda view: len(view["journal"]) >= 3)
    return invocation_id


async def finish(engine, invocation_id: str) -> str:
    """Answer it; on which revision did it end?"""
    await answer(engine, invocation_id)
    return str((await engine.attach(invocation_id)).json())


async def answer(engine, invocation_id: str) -> None:
    awakeable = (await engine.describe(invocation_id))["journal"][1]["name"]
    assert (await engine.ingress.post(f"/restate/awakeables/{awakeable}/resolve", json=1)).status_code == 202


async def test_a_new_revision_takes_what_is_new_and_the_old_one_ends_what_it_began(
    start_engine, tmp_path
) -> None:
    async with revision(1, tmp_path) as one, revision(2, tmp_path) as two, start_engine() as engine:
        first_id = await register(engine, one)
        old = await begin(engine)
        second_id = await register(engine, two)
        new = await begin(engine)

        listed = (await engine.admin.get("/deployments")).json()["deployments"]
        assert [(d["id"], d["services"]) for d in listed] == [
            (first_id, [{"name": "Remote", "revision": 1}]),
            (second_id, [{"name": "Remote", "revision": 2}]),
        ]
        service = (await engine.admin.get("/services/Remote")).json()
        assert (service["deployment_id"], service["revision"]) == (second_id, 2)
        assert await finish(engine, new) == "2"
        assert await finish(engine, old) == "1"

        assert (await engine.admin.delete(f"/deployments/{second_id}")).status_code == 501
        assert (await engine.admin.delete(f"/deployments/{second_id}?force=true")).status_code == 202
        assert (await engine.admin.get(f"/deployments/{second_id}")).status_code == 404
        assert await finish(engine, await begin(engine)) == "1"


async def test_what_is_pinned_to_an_unreachable_deployment_is_tried_there_again_and_shown(
    start_engine, tmp_path
) -> None:
    async with revision(1, tmp_path) as one, revision(2, tmp_path) as two, start_engine() as engine:
        await register(engine, one)
        old = await begin(engine)
        await register(engine, two)
        one.kill()
        await answer(engine, old)
        view = await engine.when(old, lambda view: view.get("retry_count", 0) >= 2)
        assert view["status"] in ("backing-off", "running")
        assert one.url in view["last_failure"]
        await one.start()
        assert (await engine.attach(old)).json() == "1"


async def test_what_is_pinned_to_a_removed_deployment_waits_until_it_is_moved(start_engine, tmp_path) -> None:
    async with revision(1, tmp_path) as one, revision(2, tmp_path) as two, start_engine() as engine:
        first_id = await register(engine, one)
        old = await begin(engine)
        second_id = await register(engine, two)
        await engine.admin.patch(f"/invocations/{old}/pause")
        await engine.admin.delete(f"/deployments/{first_id}?force=true")
        await answer(engine, old)
        await engine.admin.patch(f"/invocations/{old}/resume")
        view = await engine.when(old, lambda view: "last_failure" in view)
        assert f"deployment {first_id}, on which this invocation runs, was removed" in view["last_failure"]

        async def move() -> int:
            moved = await engine.admin.patch(f"/invocations/{old}/resume", params={"deployment": "latest"})
            return moved.status_code

        await engine.admin.patch(f"/invocations/{old}/pause")
        assert await move() == 200
        assert (await engine.attach(old)).json() == "2"
        assert (await engine.describe(old))["pinned_deployment_id"] == second_id


async def test_a_service_does_not_change_its_type_unless_somebody_insists(start_engine, tmp_path) -> None:
    async with (
        revision(1, tmp_path) as one,
        revision(2, tmp_path, "VirtualObject") as two,
        start_engine() as engine,
    ):
        await register(engine, one)
        for dry_run in (True, False):
            body = {"uri": two.url, "dry_run": dry_run}
            refused = await engine.admin.post("/deployments", json=body)
            assert (refused.status_code, refused.json()["restate_code"]) == (409, "META0006")
        assert (await engine.admin.get("/services/Remote")).json()["ty"] == "Service"
        await register(engine, two, breaking=True, dry_run=True)
        assert (await engine.admin.get("/services/Remote")).json()["ty"] == "Service"
        await register(engine, two, breaking=True)
        assert (await engine.admin.get("/services/Remote")).json()["ty"] == "VirtualObject"


async def test_what_is_known_at_an_address_is_only_overwritten_by_force(start_engine, tmp_path) -> None:
    async with revision(1, tmp_path) as one, start_engine() as engine:
        identity = await register(engine, one, additional_headers={"X-Who": "me"}, metadata={"by": "hand"})
        again = await engine.admin.post("/deployments", json={"uri": f"{one.url}/"})
        assert (again.status_code, again.json()["id"]) == (200, identity)
        forced = await engine.admin.post("/deployments", json={"uri": one.url, "force": True})
        assert (forced.status_code, forced.json()["id"]) == (200, identity)
        assert forced.json()["services"][0]["revision"] == 2
        assert "additional_headers" not in (await engine.admin.get(f"/deployments/{identity}")).json()

        old_api = await engine.admin.post("/v2/deployments", json={"uri": one.url})
        assert (old_api.status_code, old_api.json()["services"][0]["revision"]) == (201, 3), "v2 forces"
        unforced = await engine.admin.post("/v2/deployments", json={"uri": one.url, "force": False})
        assert unforced.status_code == 409


async def test_two_registrations_at_once_make_one_deployment(start_engine, tmp_path) -> None:
    async with revision(1, tmp_path) as one, start_engine() as engine:
        body = {"uri": one.url}
        answers = await asyncio.gather(*(engine.admin.post("/deployments", json=body) for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 201]
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert len((await engine.admin.get("/deployments")).json()["deployments"]) == 1


async def test_a_deployment_that_moves_keeps_its_invocations(start_engine, tmp_path) -> None:
    async with revision(1, tmp_path) as one, revision(2, tmp_path) as two, start_engine() as engine:
        identity = await register(engine, one)
        old = await begin(engine)
        one.kill()
        nowhere = await engine.admin.patch(f"/deployments/{identity}", json={"uri": "http://127.0.0.1:1"})
        assert nowhere.status_code == 400
        body = {"uri": two.url, "additional_headers": {"x-who": "me"}}
        moved = await engine.admin.patch(f"/deployments/{identity}", json=body)
        assert (moved.status_code, moved.json()["uri"]) == (200, f"{two.url}/")
        assert moved.json()["additional_headers"] == {"x-who": "me"}
        assert await finish(engine, old) == "2"
        assert (await engine.admin.put(f"/v4/deployments/{identity}", json=body)).status_code == 405

    async with start_engine() as engine:
        kept = (await engine.admin.get(f"/deployments/{identity}")).json()
        assert (kept["uri"], kept["services"][0]["revision"]) == (f"{two.url}/", 1)
        assert kept["sdk_version"].startswith("restate-sdk-python/")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"additional_headers": {"bad name": "x"}}, "header 'bad name' cannot be sent over HTTP"),
        ({"additional_headers": {"x": "a\nb"}}, "header 'x' cannot be sent over HTTP"),
    ],
)
async def test_headers_that_cannot_be_sent(start_engine, body, says) -> None:
    async with start_engine() as engine:
        answer = await engine.admin.post("/deployments", json={"uri": "http://127.0.0.1:1", **body})
    assert answer.status_code == 400
    assert says in answer.json()["message"]
