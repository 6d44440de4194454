"""The same life on restate-server and on the embedded engine: their tables show the same."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx2
import pytest
from engines import ENGINES, Engine, engine, running

pytestmark = [pytest.mark.anyio, pytest.mark.restate]

APP = """
import restate
from datetime import timedelta

s, o, w = restate.Service("S"), restate.VirtualObject("O"), restate.Workflow("W")

@s.handler()
async def echo(ctx, word: str) -> str:
    return word

@s.handler()
async def refuse(ctx, word: str) -> str:
    raise restate.TerminalError("no luck", status_code=418)

@s.handler()
async def everything(ctx: restate.Context, word: str) -> str:
    async def good(): return {"a": 1}
    async def bad(): raise restate.TerminalError("bad run")
    await ctx.run_typed("good", good)
    for call in (ctx.run_typed("bad", bad), ctx.service_call(refuse, arg="x")):
        try:
            await call
        except restate.TerminalError:
            pass
    await ctx.sleep(timedelta(milliseconds=10), name="nap")
    sent = ctx.service_send(echo, arg="x", send_delay=timedelta(milliseconds=50), idempotency_key="k",
                            headers={"h": "1"})
    await ctx.attach_invocation(await sent.invocation_id())
    for settle in (lambda id: ctx.resolve_awakeable(id, "v"), lambda id: ctx.reject_awakeable(id, "nope")):
        id, promise = ctx.awakeable()
        settle(id)
        try:
            await promise
        except restate.TerminalError:
            pass
    await ctx.object_call(state, key="k", arg="v")
    await ctx.workflow_call(run, key="k", arg="v")
    return "done"

@o.handler(enable_lazy_state=True)
async def state(ctx: restate.ObjectContext, word: str) -> str:
    await ctx.get("a")
    await ctx.state_keys()
    ctx.set("a", word)
    ctx.set("b", b"\\xff\\x00", serde=restate.serde.BytesSerde())
    ctx.clear("b")
    return word

@o.handler()
async def eager(ctx: restate.ObjectContext, word: str) -> str:
    await ctx.get("a")
    await ctx.get("none")
    await ctx.state_keys()
    ctx.clear_all()
    return word

@o.handler()
async def hold(ctx: restate.ObjectContext) -> None:
    await ctx.sleep(timedelta(hours=1))

@w.main()
async def run(ctx: restate.WorkflowContext, word: str) -> str:
    await ctx.promise("p").peek()
    await ctx.promise("p").resolve("yes")
    return await ctx.promise("p").value()

app = restate.app([s, o, w])
"""

TABLES = (
    "state",
    "sys_deployment",
    "sys_inbox",
    "sys_invocation",
    "sys_invocation_state",
    "sys_invocation_status",
    "sys_journal",
    "sys_journal_events",
    "sys_keyed_service_status",
    "sys_promise",
    "sys_rules",
    "sys_service",
    "sys_vqueue_meta",
)

Rows = list[dict[str, Any]]


async def query(client: httpx2.AsyncClient, running: Engine, sql: str) -> Rows:
    answer = await client.post(
        f"{running.admin_url}/query", json={"query": sql}, headers={"accept": "application/json"}
    )
    assert answer.status_code == 200, answer.text
    rows: Rows = answer.json()["rows"]
    return rows


async def live(running: Engine) -> dict[str, Rows]:
    """What the tables hold after a short life, and their columns."""
    async with httpx2.AsyncClient(timeout=30, base_url=running.ingress_url) as client:
        done = await client.post("/S/everything", json="x", headers={"idempotency-key": "top"})
        assert done.json() == "done", done.text
        assert (await client.post("/O/k/eager", json="x")).status_code == 200
        await client.post("/O/k/state", json="x")
        for _ in range(2):
            await client.post("/O/busy/hold/send")
        async with asyncio.timeout(10):
            sleeping = "SELECT id FROM sys_journal WHERE entry_type = 'Command: Sleep' AND name <> 'nap'"
            while not await query(client, running, sleeping):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        seen = {table: await query(client, running, f"SELECT * FROM {table}") for table in TABLES}
        seen["columns"] = await query(
            client,
            running,
            "SELECT table_name, column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'public'",
        )
        return seen


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Rows]]:
    directory = tmp_path_factory.mktemp("lives")
    (directory / "app.py").write_text(APP)

    async def one(name: str) -> dict[str, Rows]:
        (directory / name).mkdir()
        async with running(engine(name, str(directory / "app.py"), directory / name)) as started:
            return await live(started)

    async def both() -> dict[str, dict[str, Rows]]:
        return {name: await one(name) for name in ENGINES}

    return asyncio.run(both())


def shape(value: Any) -> Any:
    """JSON without ids, times and the bytes that users sent."""
    match value:
        case dict():
            return {key: shape(item) for key, item in value.items() if key != "headers"}
        case list():
            return []
        case str():
            return re.sub(r"\b(inv|sign)_1\w+", r"\1", value)
        case bool():
            return value
        case int() if value > 1000:
            return 0
        case _:
            return value


@pytest.mark.parametrize("column", ["entry_json", "entry_lite_json"])
def test_journal_entries_are_the_same_json(lives, column) -> None:
    def entries(name: str) -> list[list[tuple[str, str]]]:
        journals: dict[str, list[tuple[int, str, str]]] = {}
        for row in lives[name]["sys_journal"]:
            told = json.dumps(shape(json.loads(row[column])), sort_keys=True)
            journals.setdefault(row["id"], []).append((row["index"], row["entry_type"], told))
        return sorted([(kind, told) for _, kind, told in sorted(journal)] for journal in journals.values())

    assert entries("embedded") == entries("restate-server")


def test_columns_have_the_same_names(lives) -> None:
    def columns(name: str) -> set[tuple[str, str]]:
        return {(row["table_name"], row["column_name"]) for row in lives[name]["columns"]}

    missing = {(t, c) for t, c in columns("restate-server") - columns("embedded") if t in TABLES}
    assert {column for _, column in missing} == {"partition_key"}, "a cluster has partitions"
    assert columns("embedded") <= columns("restate-server")


def test_columns_have_the_same_types(lives) -> None:
    def types(name: str) -> dict[tuple[str, str], str]:
        return {
            (row["table_name"], row["column_name"]): row["data_type"].replace("Large", "")
            for row in lives[name]["columns"]
        }

    ours, theirs = types("embedded"), types("restate-server")
    assert {column: kind for column, kind in ours.items() if theirs[column] != kind} == {}


SHOWN = {
    "sys_invocation": (
        "target",
        "target_service_ty",
        "status",
        "invoked_by",
        "invoked_by_target",
        "completion_result",
        "completion_failure",
        "completion_retention",
        "journal_retention",
        "journal_size",
        "journal_commands_size",
        "retry_count",
    ),
    "sys_invocation_status": ("target", "status", "completion_result"),
    "sys_invocation_state": ("in_flight", "retry_count"),
    "state": ("service_name", "service_key", "key", "value", "value_utf8", "value_length"),
    "sys_service": ("name", "ty", "revision", "public"),
    "sys_inbox": ("service_name", "service_key"),
    "sys_keyed_service_status": ("service_name", "service_key"),
    "sys_promise": ("service_name", "service_key", "key", "completed", "completion_success_value_utf8"),
    "sys_journal_events": ("event_type",),
    "sys_rules": (),
    "sys_vqueue_meta": (),
}


@pytest.mark.parametrize("table", SHOWN)
def test_tables_show_the_same(lives, table) -> None:
    def rows(name: str) -> list[str]:
        return sorted(
            json.dumps({column: row.get(column) for column in SHOWN[table]}) for row in lives[name][table]
        )

    assert rows("embedded") == rows("restate-server")


def test_times_are_written_the_same(lives) -> None:
    pattern = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
    for name in ENGINES:
        for row in lives[name]["sys_invocation"]:
            for column in ("created_at", "modified_at", "running_at", "last_start_at", "completed_at"):
                assert column not in row or pattern.fullmatch(row[column]), (name, row[column])
