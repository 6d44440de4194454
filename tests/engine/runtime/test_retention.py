"""What a completed invocation leaves behind goes when its time is up, behind the live work."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
import restate

from perdure.engine.core import machine
from perdure.engine.core.inputs import Input, Invoke, Kill
from perdure.engine.core.lifecycle import purge
from perdure.engine.core.model import Target
from perdure.engine.runtime import retention
from perdure.engine.runtime.processor import Processor
from perdure.engine.storage.connection import FILE_NAME
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.protocol.ids import derived_invocation_id

pytestmark = pytest.mark.anyio

greeter = restate.Service("Greeter")


@greeter.handler(idempotency_retention=timedelta(milliseconds=300), journal_retention=timedelta(0))
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


def completed_in_1970(data_dir: Path, count: int) -> list[str]:
    """A data directory with invocations that should have been purged long ago; their ids."""
    ids = [derived_invocation_id("old", str(number)) for number in range(count)]
    with SqliteStore.open(data_dir) as store:

        def work() -> None:
            for invocation_id in ids:
                machine.apply(Invoke(invocation_id, Target("Old", "run"), b"x" * 100), store, 0)
                machine.apply(Kill(invocation_id), store, 0)

        store.transact(work)
    return ids


def kept(data_dir: Path) -> set[str]:
    """The ids of all invocations on disk, as somebody with sqlite3 sees them."""
    reader = sqlite3.connect(data_dir / FILE_NAME)
    try:
        return {row[0] for row in reader.execute("SELECT id FROM invocation")}
    finally:
        reader.close()


async def until(data_dir: Path, ids: set[str]) -> None:
    async with asyncio.timeout(20):
        while kept(data_dir) != ids:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_result_lasts_as_long_as_was_promised_and_then_its_key_is_free(
    start_engine, tmp_path: Path
) -> None:
    async with start_engine(greeter) as engine:
        key = {"idempotency-key": "7"}
        first = await engine.call("Greeter/greet", "Ada", **key)
        again = await engine.call("Greeter/greet", "Eve", **key)
        assert again.json() == first.json() == "Hello Ada"

        await until(tmp_path, set())
        gone = await engine.ingress.get(f"/restate/output/{first.headers['x-restate-id']}")
        assert gone.status_code == 404
        assert (await engine.call("Greeter/greet", "Eve", **key)).json() == "Hello Eve"


async def test_calls_are_answered_while_thousands_are_purged_in_small_batches(
    start_engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    apply_behind = Processor.apply_behind

    def counted(processor: Processor, batch: list[Input]) -> None:
        batches.append(len(batch))
        apply_behind(processor, batch)

    monkeypatch.setattr(Processor, "apply_behind", counted)
    monkeypatch.setattr(retention, "REST_FACTOR", 100)  # on a busy machine too, the call comes in between
    old = set(completed_in_1970(tmp_path, 2_000))

    async with start_engine(greeter) as engine:
        assert (await engine.call("Greeter/greet", "Ada")).json() == "Hello Ada"
        assert kept(tmp_path) & old, "the call did not have to wait for the last purge"
        monkeypatch.setattr(retention, "REST_FACTOR", 1)
        await until(tmp_path, set())

    assert sum(batches) >= 2_000
    assert max(batches) <= retention.BATCH_MAX


async def test_one_that_cannot_be_purged_keeps_nobody_else(
    start_engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = completed_in_1970(tmp_path, 5)
    assert kept(tmp_path) == {first, *others}

    def defective(invocation, tx):
        if invocation.id == first:
            raise ZeroDivisionError("a defect")
        return real(invocation, tx)

    real = purge.purge
    monkeypatch.setattr(purge, "purge", defective)
    monkeypatch.setattr(retention, "RETRY_S", 0.05)
    monkeypatch.setattr(retention, "STUCK_LOOK_MS", 20)
    async with start_engine() as engine:
        await until(tmp_path, {first})
        monkeypatch.setattr(purge, "purge", real)
        await until(tmp_path, set())
        assert (await engine.ingress.get("/restate/health")).status_code == 200
