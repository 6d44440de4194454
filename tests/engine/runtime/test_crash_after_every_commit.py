"""The file as it is after each commit is what a power cut would leave. From every one of them, a new engine
must bring every invocation to the same result, without running a recorded step again."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import restate

from perdure.engine.admin.journal_view import journal_view
from perdure.engine.core.model import Invocation, Success
from perdure.engine.runtime import processor
from perdure.engine.runtime.engine import Engine
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.storage.connection import FILE_NAME
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.engine.transport.asgi import AsgiTransport

pytestmark = pytest.mark.anyio


def bookshop(effects: list[str]) -> restate.Service:
    """A service that uses every kind of command, and logs what its steps do in `effects`."""
    service = restate.Service("Shop")

    async def step(ctx: restate.Context, name: str) -> str:
        async def effect() -> str:
            effects.append(name)
            return name

        return await ctx.run_typed(name, effect)

    @service.handler()
    async def approve(ctx: restate.Context, name: str) -> None:
        ctx.resolve_awakeable(name, "approved")

    @service.handler()
    async def ship(ctx: restate.Context, box: str) -> str:
        await step(ctx, f"pack {box}")
        return await step(ctx, f"send {box}")

    @service.handler()
    async def order(ctx: restate.Context, title: str) -> list[str]:
        await step(ctx, "reserve")
        name, approval = ctx.awakeable(type_hint=str)
        ctx.service_send(approve, arg=name)
        shipments = [ctx.service_call(ship, arg=box) for box in ("box 1", "box 2")]
        await ctx.sleep(timedelta(milliseconds=5))
        approved = await approval
        return [approved, *[await shipment for shipment in shipments], await step(ctx, "bill")]

    return service


ANSWER = ["approved", "send box 1", "send box 2", "bill"]


@pytest.mark.parametrize("inactivity_timeout_ms", [60_000, 0], ids=["live", "replaying at every await"])
async def test_every_commit_is_a_place_to_go_on_from(
    start_engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inactivity_timeout_ms: int
) -> None:
    snapshots = await _run_and_copy_the_file_after_each_commit(start_engine, tmp_path, monkeypatch)
    assert len(snapshots) >= 15

    for snapshot in snapshots:
        effects: list[str] = []
        recorded = _recorded_steps(snapshot)
        options = EngineOptions(data_dir=snapshot, inactivity_timeout_ms=inactivity_timeout_ms)
        async with Engine(options) as engine:
            await engine.serve_app(AsgiTransport(restate.app([bookshop(effects)])), "test")
            async with asyncio.timeout(10):
                order, *_ = _invocations(engine.store)
                result = await engine.requests.result(order.id)
                for callee in _invocations(engine.store):
                    await engine.requests.result(callee.id)
        assert isinstance(result, Success)
        assert json.loads(result.value) == ANSWER, snapshot.name

        repeated = recorded & set(effects)
        assert not repeated, f"{snapshot.name}: {repeated} had been recorded, and ran again"
        assert len(effects) == len(set(effects))


async def _run_and_copy_the_file_after_each_commit(start_engine, tmp_path, monkeypatch) -> list[Path]:
    snapshots: list[Path] = []
    transact = SqliteStore.transact

    def transact_and_copy(store: SqliteStore, work) -> None:
        transact(store, work)
        copy = tmp_path / f"after-commit-{len(snapshots)}"
        copy.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / "live" / f"{FILE_NAME}{suffix}", copy / f"{FILE_NAME}{suffix}")
        snapshots.append(copy)

    async with start_engine(bookshop([]), data_dir=tmp_path / "live") as engine:
        with monkeypatch.context() as patch:
            patch.setattr(SqliteStore, "transact", transact_and_copy)
            patch.setattr(processor, "BATCH_INPUTS_MAX", 1)  # as many commits as there can be
            assert (await engine.call("Shop/order", "Dune")).json() == ANSWER
    return snapshots


def _invocations(store: SqliteStore) -> list[Invocation]:
    """All of them, the order first."""
    return sorted(store.invocations.newest(100, None, None), key=lambda i: i.created_at_ms)


def _recorded_steps(data_dir: Path) -> set[str]:
    """Steps whose result is in the file."""
    with SqliteStore.open(data_dir) as store:
        return {
            str(entry["name"])
            for invocation in _invocations(store)
            for entry in journal_view(store.journal(invocation.id))
            if entry["entry_type"] == "Command: Run" and entry["completed"]
        }
