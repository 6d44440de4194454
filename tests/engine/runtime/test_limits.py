"""Limits: how many attempts at once, how large a journal, how long a silence."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import restate

pytestmark = pytest.mark.anyio


class Kitchen:
    """A handler that says when it begins to cook, and cooks until the test lets it go."""

    def __init__(self) -> None:
        self.cooking: list[str] = []
        self.most = 0
        self.order: list[str] = []
        self.began: asyncio.Queue[str] = asyncio.Queue()
        self.go = asyncio.Event()
        self.service = restate.Service("Kitchen")
        self.service.handler()(self.cook)

    async def cook(self, ctx: restate.Context, dish: str) -> str:
        async def effect() -> str:
            self.cooking.append(dish)
            self.order.append(dish)
            self.most = max(self.most, len(self.cooking))
            self.began.put_nowait(dish)
            await self.go.wait()
            self.cooking.remove(dish)
            return dish

        return await ctx.run_typed("cook", effect)


async def test_no_more_attempts_run_at_once_than_there_are_places_and_the_rest_wait_in_order(
    start_engine,
) -> None:
    kitchen = Kitchen()
    async with start_engine(kitchen.service, concurrent_attempts_max=2) as engine:
        dishes = [str(number) for number in range(10)]
        ids = [await engine.send("Kitchen/cook", dish) for dish in dishes]
        assert [await kitchen.began.get(), await kitchen.began.get()] == ["0", "1"]
        assert (await engine.status(ids[5]), kitchen.cooking) == ("running", ["0", "1"])

        kitchen.go.set()
        assert [(await engine.attach(one)).json() for one in ids] == dishes

    assert kitchen.most == 2
    assert kitchen.order == dishes


async def test_one_that_waits_for_a_place_can_be_killed_and_never_begins(start_engine) -> None:
    kitchen = Kitchen()
    async with start_engine(kitchen.service, concurrent_attempts_max=1) as engine:
        first = await engine.send("Kitchen/cook", "soup")
        second = await engine.send("Kitchen/cook", "roast")
        third = await engine.send("Kitchen/cook", "cake")
        await kitchen.began.get()

        await engine.admin.patch(f"/invocations/{second}/kill")
        assert (await engine.attach(second)).json()["message"] == "killed"
        kitchen.go.set()

        assert [(await engine.attach(one)).json() for one in (first, third)] == ["soup", "cake"]
    assert kitchen.order == ["soup", "cake"]


async def test_what_suspends_gives_its_place_away(start_engine) -> None:
    service = restate.Service("S")

    @service.handler()
    async def nap(ctx: restate.Context) -> None:
        await ctx.sleep(timedelta(hours=1))

    @service.handler()
    async def ping(ctx: restate.Context) -> str:
        return "pong"

    async with start_engine(service, concurrent_attempts_max=1) as engine:
        napping = await engine.send("S/nap")
        # Nap has the only place, and would keep it for a minute of silence if nobody wanted it.
        assert (await engine.call("S/ping")).json() == "pong"
        assert await engine.status(napping) == "suspended"


async def test_callers_that_hold_all_places_do_not_lock_out_their_callees(start_engine) -> None:
    service = restate.Service("S")

    @service.handler()
    async def leaf(ctx: restate.Context, number: int) -> int:
        return number

    @service.handler()
    async def root(ctx: restate.Context, number: int) -> int:
        return await ctx.service_call(leaf, number)

    async with start_engine(service, concurrent_attempts_max=2) as engine:
        answers = await asyncio.gather(*(engine.call("S/root", number) for number in range(4)))
    assert [answer.json() for answer in answers] == [0, 1, 2, 3]


async def test_a_journal_that_outgrows_the_limit_pauses_and_goes_on_with_a_larger_one(start_engine) -> None:
    service = restate.Service("S")
    steps: list[int] = []

    @service.handler()
    async def collect(ctx: restate.Context) -> int:
        def page(number: int) -> str:
            steps.append(number)
            return "x" * 30_000

        return sum([len(await ctx.run_typed("page", page, number=number)) for number in range(5)])

    async with start_engine(service, journal_bytes_max=100_000) as engine:
        invocation_id = await engine.send("S/collect")
        view = await engine.when(invocation_id, lambda view: view["status"] == "paused")
        assert "the journal has reached the limit" in view["last_failure"]
        assert steps == [0, 1, 2, 3]

        await engine.admin.patch(f"/invocations/{invocation_id}/resume")  # the limit is the same
        await engine.when(invocation_id, lambda view: view["status"] == "paused" and len(steps) == 5)
        assert (await engine.ingress.get("/restate/health")).status_code == 200

    async with start_engine(service, journal_bytes_max=1_000_000) as engine:
        await engine.admin.patch(f"/invocations/{invocation_id}/resume")
        assert (await engine.attach(invocation_id)).json() == 150_000
    assert steps[:3] == [0, 1, 2], "what was journaled was not done again"
    assert steps.count(0) == steps.count(1) == steps.count(2) == 1


async def test_an_attempt_that_hangs_is_cut_and_tried_again(start_engine) -> None:
    service = restate.Service("S")
    cut: list[str] = []
    seen = asyncio.Event()

    @service.handler()
    async def fetch(ctx: restate.Context) -> str:
        async def hang_once() -> str:
            if not cut:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cut.append("the first attempt")
                    raise
            await seen.wait()
            return "fetched"

        return await ctx.run_typed("fetch", hang_once)

    async with start_engine(service, inactivity_timeout_ms=500, abort_timeout_ms=500) as engine:
        invocation_id = await engine.send("S/fetch")
        view = await engine.when(invocation_id, lambda view: "last_failure" in view)
        seen.set()
        assert "was asked to suspend and was silent" in view["last_failure"]
        assert (await engine.attach(invocation_id)).json() == "fetched"
    assert cut == ["the first attempt"]


async def test_a_handlers_own_timeouts_come_before_the_engines(start_engine) -> None:
    service = restate.Service("S")
    attempts: list[int] = []

    @service.handler(inactivity_timeout=timedelta(milliseconds=50), abort_timeout=timedelta(milliseconds=50))
    async def fetch(ctx: restate.Context) -> str:
        async def hang_once() -> str:
            attempts.append(len(attempts))
            if len(attempts) == 1:
                await asyncio.Event().wait()
            return "fetched"

        return await ctx.run_typed("fetch", hang_once)

    async with start_engine(service) as engine:
        assert (await engine.call("S/fetch")).json() == "fetched"
    assert attempts == [0, 1]
