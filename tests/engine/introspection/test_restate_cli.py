"""The real restate CLI, asking a running engine by SQL."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import restate
from restate_server import NODE_MODULES

pytestmark = [pytest.mark.anyio, pytest.mark.restate]

service = restate.Service("S")
box = restate.VirtualObject("Box")


@service.handler()
async def shout(ctx: restate.Context, word: str) -> str:
    async def upper() -> str:
        return word.upper()

    shouted = await ctx.run_typed("upper", upper)
    await ctx.object_call(put, key="k", arg=shouted)
    return shouted


@service.handler(invocation_retry_policy=restate.InvocationRetryPolicy(initial_interval=timedelta(hours=1)))
async def stumble(ctx: restate.Context, word: str) -> str:
    raise ValueError("boom")


@box.handler()
async def put(ctx: restate.ObjectContext, word: str) -> None:
    ctx.set("word", word)


@box.handler()
async def hold(ctx: restate.ObjectContext) -> None:
    await ctx.sleep(timedelta(hours=1))


Cli = Callable[..., Awaitable[str]]


@pytest.fixture
def restate_cli(tmp_path: Path) -> Callable[..., Awaitable[str]]:
    """`await restate_cli(engine, "sql", "SELECT 1")`: what it prints, once it has ended well."""
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}[platform.machine().lower()]
    binary = (
        NODE_MODULES / "@restatedev" / f"restate-{platform.system().lower()}-{machine}" / "bin" / "restate"
    )

    async def run(engine, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            binary,
            "-y",
            *arguments,
            env=os.environ
            | {
                "RESTATE_ADMIN_URL": engine.server.admin_url,
                "RESTATE_INGRESS_URL": engine.server.ingress_url,
                "HOME": str(tmp_path),
                "DO_NOT_TRACK": "1",
                "NO_COLOR": "1",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, (arguments, out.decode(), err.decode())
        return f"{out.decode()}\n{err.decode()}"

    return run


async def test_sql(start_engine, restate_cli) -> None:
    async with start_engine(service, box) as engine:
        await engine.call("S/shout", "a")
        table = await restate_cli(engine, "sql", "SELECT target, status FROM sys_invocation ORDER BY target")
        rows = await restate_cli(engine, "sql", "--json", "SELECT key, value, service_key FROM state")
    assert re.findall(r"(\S+/\S+)\s+completed", table) == ["Box/k/put", "S/shout"]
    assert "2 rows" in table
    assert json.loads(rows.splitlines()[0]) == [{"key": "word", "value": b'"A"'.hex(), "service_key": "k"}]


async def test_invocations_list_and_describe(start_engine, restate_cli) -> None:
    async with start_engine(service, box) as engine:
        done = (await engine.call("S/shout", "a")).headers["x-restate-id"]
        stumbled = await engine.send("S/stumble", "a")
        held = await engine.send("Box/b/hold")
        queued = await engine.send("Box/b/hold")
        await engine.when(stumbled, lambda view: "last_failure" in view)

        active = await restate_cli(engine, "invocations", "list")
        failing = await restate_cli(engine, "invocations", "list", "--status", "backing-off")
        everything = await restate_cli(engine, "invocations", "list", "--all")
        described = await restate_cli(engine, "invocations", "describe", done)
        why = await restate_cli(engine, "invocations", "describe", stumbled)

    assert all(each in active for each in (stumbled, held, queued))
    assert "Showing 3/3 invocations" in active
    assert "Showing 1/1 invocations" in failing
    assert "ValueError('boom')" in failing
    assert "Showing 5/5 invocations" in everything
    entries = re.findall(r"#\d+ \[.*?\] (.*?) *$", described, re.MULTILINE)
    assert [re.sub(r"inv_\w+", "ID", entry) for entry in entries] == [
        "Command: Input",
        "Command: Run [upper]",
        "Notification: Run",
        "Command: Call Box/k/put ID",
        "Notification: CallInvocationId",
        "Notification: Call",
        "Command: Output",
    ]
    assert "completed" in described
    assert "ValueError('boom')" in why
    assert "Next retry in" in why


async def test_services_status(start_engine, restate_cli) -> None:
    async with start_engine(service, box) as engine:
        await engine.call("S/shout", "a")
        held = await engine.send("Box/b/hold")
        await engine.send("Box/b/hold")
        every = await restate_cli(engine, "services", "status")
        one = await restate_cli(engine, "services", "status", "Box")
    assert re.search(r"shout .* completed", every)
    for told in (every, one):
        # One waits behind the one that holds the object.
        assert re.search(rf"\bb +1 +{held} \(running\) +hold", told), told
    assert "Recent Invocations" in one


async def test_kv_get(start_engine, restate_cli) -> None:
    async with start_engine(service, box) as engine:
        await engine.call("Box/k/put", "hello")
        told = await restate_cli(engine, "kv", "get", "Box", "k")
    assert re.search(r'word +"hello"', told)


async def test_what_a_deployment_still_has_to_do(start_engine, restate_cli) -> None:
    async with start_engine(service, box) as engine:
        await engine.send("Box/b/hold")
        (deployment,) = (await engine.admin.get("/deployments")).json()["deployments"]
        listed = await restate_cli(engine, "deployments", "list", "--extra")
        described = await restate_cli(engine, "deployments", "describe", deployment["id"], "--extra")
        rules = await restate_cli(engine, "rules", "list")
        vqueues = await restate_cli(engine, "vqueues", "list")
    assert re.search(rf"Active +1 +{deployment['id']}", listed)
    assert "hold" in described
    assert "No rules" in rules
    assert "No virtual queues" in vqueues
