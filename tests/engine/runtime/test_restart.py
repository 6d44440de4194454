"""An engine that stops, for whatever reason, goes on where it was."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
import restate

from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.errors import DataDirLocked, StoreFailed

pytestmark = pytest.mark.anyio


class Waiting:
    """A handler that takes a recorded step, and then waits for the test."""

    def __init__(self, go: bool = False) -> None:
        self.steps = 0
        self.go = asyncio.Event()
        if go:
            self.go.set()
        self.service = restate.Service("S")
        self.service.handler()(self.work)

    async def work(self, ctx: restate.Context) -> int:
        async def effect() -> int:
            self.steps += 1
            return self.steps

        result = await ctx.run_typed("effect", effect)

        async def pause() -> None:
            await self.go.wait()

        await ctx.run_typed("pause", pause)
        return result


async def test_a_stopped_engine_resumes_by_itself(start_engine) -> None:
    before = Waiting()
    async with start_engine(before.service) as engine:
        invocation_id = await engine.send("S/work")
        await engine.when(invocation_id, lambda _: before.steps)

    after = Waiting(go=True)
    async with start_engine(after.service) as engine:
        assert engine.resumed == 1
        assert (await engine.attach(invocation_id)).json() == 1
    assert after.steps == 0


async def test_who_waits_for_a_result_is_told_that_the_engine_goes(start_engine) -> None:
    waiting = Waiting()
    async with start_engine(waiting.service) as engine:
        invocation_id = await engine.send("S/work")
        calling = asyncio.create_task(engine.attach(invocation_id))
        await engine.when(invocation_id, lambda _: waiting.steps)
        closing = asyncio.create_task(engine.server.__aexit__(None, None, None))
        answer = await calling
        await closing

    assert answer.status_code == 503
    assert "goes on when it is back" in answer.json()["message"]


async def test_a_sleep_that_ended_while_the_engine_was_down(start_engine) -> None:
    service = restate.Service("S")

    @service.handler()
    async def nap(ctx: restate.Context) -> str:
        await ctx.sleep(timedelta(milliseconds=100))
        return "rested"

    async with start_engine(service) as engine:
        invocation_id = await engine.send("S/nap")
        await engine.when(invocation_id, lambda view: len(view["journal"]) > 1)
    await asyncio.sleep(0.15)
    async with start_engine(service) as engine:
        assert (await engine.attach(invocation_id)).json() == "rested"


async def test_an_app_without_the_service_leaves_its_invocations_alone(start_engine) -> None:
    before = Waiting()
    async with start_engine(before.service) as engine:
        invocation_id = await engine.send("S/work")

    async with start_engine(restate.Service("Other")) as engine:
        assert engine.resumed == 0
        assert await engine.status(invocation_id) == "running"

    async with start_engine(Waiting(go=True).service) as engine:
        assert (await engine.attach(invocation_id)).status_code == 200


async def test_a_second_engine_on_the_same_directory_is_refused(start_engine, tmp_path: Path) -> None:
    async with start_engine():
        with pytest.raises(DataDirLocked, match=f"has {tmp_path} open"):
            async with start_engine():
                pass


async def test_a_disk_that_refuses_a_write_loses_nothing_that_was_acknowledged(
    start_engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = Waiting()
    async with start_engine(waiting.service) as engine:
        invocation_id = await engine.send("S/work")
        await engine.when(invocation_id, lambda view: len(view["journal"]) == 4)

        with monkeypatch.context() as full:

            def refuse(store: SqliteStore, work) -> None:
                raise StoreFailed("the store cannot be written: database or disk is full")

            full.setattr(SqliteStore, "transact", refuse)
            refused = await engine.ingress.post("/S/work/send")
            waiting.go.set()  # the step's result is proposed, and cannot be stored
            await asyncio.sleep(0.1)

        assert (refused.status_code, "full" in refused.json()["message"]) == (503, True)
        assert (await engine.attach(invocation_id)).json() == 1
    assert waiting.steps == 1


async def test_registering_again_does_not_cut_what_runs(start_engine) -> None:
    waiting = Waiting()
    async with start_engine(waiting.service) as engine:
        invocation_id = await engine.send("S/work")
        await engine.when(invocation_id, lambda view: len(view["journal"]) == 4)
        _, resumed = await engine.server.serve_app(restate.app([waiting.service]), "again")
        waiting.go.set()
        assert (await engine.attach(invocation_id)).json() == 1
        assert (await engine.describe(invocation_id))["attempt"] == 1
    assert resumed == 0


async def test_a_rule_that_raises_fails_the_attempt_and_not_the_engine(
    start_engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> list[object]:
        raise ZeroDivisionError("a defect")

    waiting = Waiting(go=True)
    policy = restate.InvocationRetryPolicy(max_attempts=2, initial_interval=timedelta(milliseconds=1))
    waiting.service.invocation_retry_policy = policy
    async with start_engine(waiting.service) as engine:
        with monkeypatch.context() as defect:
            defect.setattr("perdure.engine.core.lifecycle.complete.with_journaled_output", broken)
            invocation_id = await engine.send("S/work")
            view = await engine.when(invocation_id, lambda view: view["status"] == "paused")
        assert "could not apply what the handler said: ZeroDivisionError" in view["last_failure"]

        await engine.admin.patch(f"/invocations/{invocation_id}/resume")
        assert (await engine.attach(invocation_id)).json() == 1
    assert waiting.steps == 1
