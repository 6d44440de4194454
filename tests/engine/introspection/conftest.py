"""A data file with something in every table: what a short life of an engine left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import restate

from perdure.engine.introspection.encoding import as_json
from perdure.engine.introspection.session import Session
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.server import EngineServer
from perdure.engine.storage.connection import FILE_NAME

greeter = restate.Service("Greeter")
counter = restate.VirtualObject("Counter")
signup = restate.Workflow("Signup")
SLOW_RETRIES = restate.InvocationRetryPolicy(initial_interval=timedelta(hours=1))


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    async def upper() -> str:
        return name.upper()

    shouted = await ctx.run_typed("shout", upper)
    await ctx.object_call(add, key="all", arg=1)
    return f"hello {shouted}"


@greeter.handler()
async def refuse(ctx: restate.Context, name: str) -> str:
    raise restate.TerminalError("no luck", status_code=418)


@greeter.handler(invocation_retry_policy=SLOW_RETRIES)
async def stumble(ctx: restate.Context, name: str) -> str:
    async def one() -> int:
        return 1

    await ctx.run_typed("one", one)
    raise ValueError("boom")


@greeter.handler(inactivity_timeout=timedelta(0))
async def wait(ctx: restate.Context, name: str) -> str:
    await ctx.sleep(timedelta(hours=1), name="nap")
    return name


@counter.handler()
async def add(ctx: restate.ObjectContext, n: int) -> int:
    total = (await ctx.get("total", type_hint=int) or 0) + n
    ctx.set("total", total)
    ctx.set("raw", b"\xff\x00", serde=restate.serde.BytesSerde())
    return total


@counter.handler()
async def hold(ctx: restate.ObjectContext) -> None:
    await ctx.sleep(timedelta(hours=1))


@signup.main()
async def run(ctx: restate.WorkflowContext, email: str) -> str:
    await ctx.promise("confirmed").resolve("yes")
    return await ctx.promise("never").value()


SERVICES = (greeter, counter, signup)


@dataclass
class Life:
    """The file, and the ids of the invocations in it, by handler."""

    path: Path
    ids: dict[str, str]


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    data_dir = tmp_path_factory.mktemp("life")
    return Life(data_dir / FILE_NAME, asyncio.run(_live(data_dir)))


async def _live(data_dir: Path) -> dict[str, str]:
    options = EngineOptions(data_dir=data_dir, ingress="127.0.0.1:0", admin="127.0.0.1:0")
    async with EngineServer(options) as server:
        await server.serve_app(restate.app(SERVICES), "test")
        async with httpx2.AsyncClient(base_url=server.ingress_url, timeout=20) as client:

            async def call(path: str, body: Any = None, **headers: str) -> str:
                answer = await client.post(path, json=body, headers=headers)
                return str(answer.headers.get("x-restate-id") or answer.json()["invocationId"])

            ids = {
                "greet": await call("/Greeter/greet", "a", **{"idempotency-key": "k1"}),
                "refuse": await call("/Greeter/refuse", "a"),
                "stumble": await call("/Greeter/stumble/send", "a"),
                "wait": await call("/Greeter/wait/send", "a"),
                "later": await call("/Greeter/greet/send?delay=1h", "a"),
                "hold": await call("/Counter/busy/hold/send"),
                "queued": await call("/Counter/busy/hold/send"),
                "run": await call("/Signup/me/run/send", "me@example.com"),
            }
        store = server.engine.store
        async with asyncio.timeout(20):
            while not (  # noqa: ASYNC110
                store.failures(ids["stumble"])
                and store.invocation(ids["wait"]).status == "suspended"
                and store.journal_length(ids["run"]) > 3
                and store.journal_length(ids["hold"]) > 1
            ):
                await asyncio.sleep(0.01)  # the store has no way to wait for that
    return ids


@pytest.fixture(scope="session")
def session(life: Life) -> Session:
    return Session(life.path)


Query = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def query(session: Session, life: Life) -> Query:
    """Rows of a query, as JSON has them; `{greet}` stands for that invocation's id."""

    def run(sql: str) -> list[dict[str, Any]]:
        for name, invocation_id in life.ids.items():
            sql = sql.replace(f"{{{name}}}", invocation_id)
        with closing(session.query(sql)) as batches:
            rows: list[dict[str, Any]] = json.loads(as_json(batches))["rows"]
        return rows

    return run
