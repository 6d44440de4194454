"""`perdure.testing.harness`, as somebody who tests handlers uses it."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import httpx2
import pytest
import restate
from pydantic import BaseModel

from perdure.errors import NotDeterministic, RequestError, StillWaiting
from perdure.testing import harness

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


class Order(BaseModel):
    title: str
    copies: int = 1


def bookshop() -> restate.Service:
    shop = restate.Service("Shop")

    @shop.handler()
    async def order(ctx: restate.Context, order: Order) -> str:
        return f"{order.copies} x {order.title}"

    @shop.handler()
    async def refuse(ctx: restate.Context) -> None:
        raise restate.TerminalError("sold out", 410)

    return shop


async def test_a_call_gives_the_handlers_value_or_raises_its_failure() -> None:
    async with harness(bookshop()) as h:
        assert await h.call("Shop/order", Order(title="Dune")) == "1 x Dune"
        assert await h.call("Shop/order", {"title": "Emma", "copies": 2}) == "2 x Emma"
        with pytest.raises(restate.TerminalError) as refused:
            await h.call("Shop/refuse")
        assert (refused.value.message, refused.value.status_code) == ("sold out", 410)


async def test_a_request_that_the_ingress_refuses_is_no_failure_of_a_handler() -> None:
    async with harness(bookshop()) as h:
        with pytest.raises(RequestError, match="'Nobody' not found") as unknown:
            await h.call("Nobody/order")
        assert unknown.value.status == 404
        with pytest.raises(RequestError, match="copies"):
            await h.send("Shop/order", {"title": "Dune", "copies": "many"})


def test_what_is_no_app_is_refused_with_what_to_write() -> None:
    async def run() -> None:
        async with harness("app:app"):
            pass

    with pytest.raises(TypeError, match=r"harness\(app\)"):
        asyncio.run(run())


async def test_an_idempotent_send_is_one_invocation_and_its_journal_can_be_read() -> None:
    async with harness(bookshop()) as h:
        first = await h.send("Shop/order", Order(title="Dune"), idempotency_key="k")
        assert await h.send("Shop/order", Order(title="Dune"), idempotency_key="k") == first
        assert await h.attach(first) == "1 x Dune"
        assert [entry["entry_type"] for entry in await h.journal(first)] == [
            "Command: Input",
            "Command: Output",
        ]


async def test_no_port_is_open_unless_asked() -> None:
    async with harness(bookshop(), ports=True) as h:
        async with httpx2.AsyncClient() as client:
            answer = await client.post(f"{h.ingress_url}/Shop/order", json={"title": "Dune"})
        assert answer.json() == "1 x Dune"
        assert await h.call("Shop/order", Order(title="Dune")) == "1 x Dune"
    async with harness(bookshop()) as h:
        assert h.ingress_url == "http://perdure.test"


# ---- time


def reminder(heard: list[str]) -> restate.Service:
    service = restate.Service("Reminder")

    @service.handler()
    async def after_days(ctx: restate.Context, days: int) -> int:
        await ctx.sleep(timedelta(days=days))
        heard.append(f"{days} days")
        return days

    @service.handler()
    async def twice(ctx: restate.Context) -> list[int]:
        later = ctx.service_call(after_days, arg=30)
        return [await ctx.service_call(after_days, arg=1), await later]

    return service


async def test_sleeps_are_skipped_in_their_order() -> None:
    heard: list[str] = []
    async with harness(reminder(heard)) as h:
        started, real = h.now, time.monotonic()
        results = await asyncio.gather(*(h.call("Reminder/after_days", days) for days in (300, 7, 60)))
        assert results == [300, 7, 60]
        assert heard == ["7 days", "60 days", "300 days"]
        assert 300 * DAY <= h.now - started < 301 * DAY
        assert time.monotonic() - real < 10


async def test_a_sleep_asked_for_after_a_jump_is_as_long_as_any_other() -> None:
    async with harness(reminder([])) as h:
        started = h.now
        assert await h.call("Reminder/after_days", 10) == 10
        assert await h.call("Reminder/after_days", 10) == 10
        assert await h.call("Reminder/twice") == [1, 30]
        assert 50 * DAY <= h.now - started < 51 * DAY


async def test_time_is_skipped_only_while_the_test_waits() -> None:
    async with harness(reminder([])) as h:
        invocation = await h.send("Reminder/after_days", 1, delay=2 * DAY)
        await h.settle()
        assert await h.status(invocation) == "scheduled"

        await h.advance(2 * DAY)
        assert await h.status(invocation) == "suspended"

        await h.advance(DAY - timedelta(seconds=20))
        assert await h.status(invocation) == "suspended"

        await h.advance(timedelta(seconds=20))
        assert await h.status(invocation) == "completed"


async def test_a_step_that_runs_takes_real_time_and_time_waits_for_it() -> None:
    order: list[str] = []
    service = restate.Service("Race")

    @service.handler()
    async def step_against_sleep(ctx: restate.Context) -> str:
        async def slow() -> str:
            await asyncio.sleep(0.2)
            order.append("step")
            return "step"

        step, sleep = ctx.run_typed("slow", slow), ctx.sleep(timedelta(hours=1))
        match await restate.select(step=step, sleep=sleep):
            case ["step", value]:
                return str(value)
        return "sleep"

    @service.handler()
    async def an_hour(ctx: restate.Context) -> None:
        await ctx.sleep(timedelta(hours=1))
        order.append("hour")

    async with harness(service) as h:
        hour = await h.send("Race/an_hour")
        assert await h.call("Race/step_against_sleep") == "step"
        await h.attach(hour)
        assert order == ["step", "hour"]


async def test_time_waits_for_code_that_is_busy_outside_of_steps_too() -> None:
    order: list[str] = []
    service = restate.Service("Busy")

    @service.handler()
    async def computes(ctx: restate.Context) -> None:
        await asyncio.sleep(0.1)  # not durable: the engine cannot see it
        order.append("computed")

    async with harness(service, reminder(order)) as h:
        busy = await h.send("Busy/computes")
        await h.call("Reminder/after_days", 1)
        await h.attach(busy)
        assert order == ["computed", "1 days"]


async def test_back_offs_are_skipped_and_each_retry_has_its_time() -> None:
    failures = 0
    service = restate.Service("Flaky")

    @service.handler()
    async def third_time_lucky(ctx: restate.Context) -> int:
        nonlocal failures
        if failures < 2:
            failures += 1
            raise ValueError("not yet")
        return failures

    async with harness(service) as h:
        started = h.now
        assert await h.call("Flaky/third_time_lucky") == 2
        assert h.now - started >= timedelta(milliseconds=500 + 1000)


async def test_sleeps_take_real_time_when_it_is_not_to_be_skipped() -> None:
    async with harness(reminder([]), skip_time=False, timeout_s=0.2) as h:
        with pytest.raises(StillWaiting, match=r"Reminder/after_days\) is running"):
            await h.call("Reminder/after_days", 1)


# ---- outside events, and the engine's own end


def approvals(names: list[str]) -> restate.Service:
    service = restate.Service("Approvals")

    @service.handler()
    async def ask(ctx: restate.Context) -> str:
        name, approval = ctx.awakeable(type_hint=str)

        async def publish() -> None:
            names.append(name)

        await ctx.run_typed("publish", publish)
        return await approval

    return service


async def test_an_awakeable_is_resolved_rejected_or_waited_for_in_vain() -> None:
    names: list[str] = []
    async with harness(approvals(names), timeout_s=5) as h:
        invocation = await h.send("Approvals/ask")
        await h.settle()
        assert await h.status(invocation) == "suspended"
        await h.resolve(names[0], "yes")
        assert await h.attach(invocation) == "yes"

        invocation = await h.send("Approvals/ask")
        await h.settle()
        await h.reject(names[1], "no")
        with pytest.raises(restate.TerminalError, match="no"):
            await h.attach(invocation)

    async with harness(approvals(names), timeout_s=0.1) as h:
        with pytest.raises(StillWaiting, match=r"Approvals/ask\) is suspended"):
            await h.call("Approvals/ask")


async def test_a_restart_goes_on_with_what_was_cut_and_steps_are_not_repeated() -> None:
    names: list[str] = []
    async with harness(approvals(names)) as h:
        invocation = await h.send("Approvals/ask")
        await h.settle()
        await h.restart()
        await h.resolve(names[0], "yes")
        assert await h.attach(invocation) == "yes"
        assert len(names) == 1


async def test_cancelled_and_killed_invocations_end() -> None:
    async with harness(reminder([])) as h:
        cancelled, killed = [await h.send("Reminder/after_days", 1) for _ in range(2)]
        await h.settle()
        await h.cancel(cancelled)
        await h.kill(killed)
        for invocation in (cancelled, killed):
            with pytest.raises(restate.TerminalError) as ended:
                await h.attach(invocation)
            assert ended.value.status_code == 409


# ---- nondeterminism


def coin() -> restate.Service:
    """Not deterministic: which step comes first depends on how often the code ran before."""
    attempts = 0
    service = restate.Service("Coin")

    @service.handler(inactivity_timeout=timedelta(minutes=1))
    async def toss(ctx: restate.Context) -> str:
        nonlocal attempts
        attempts += 1
        side = "heads" if attempts % 2 else "tails"
        await ctx.run_typed(side, lambda: side)
        return side

    return service


async def test_always_replay_shows_nondeterminism_that_a_lucky_run_hides() -> None:
    async with harness(coin()) as h:
        assert await h.call("Coin/toss") == "heads"

    async with harness(coin(), always_replay=True) as h:
        invocation = await h.send("Coin/toss")
        await h.settle()
        view = await h.describe(invocation)
        assert view["status"] == "backing-off"
        assert "name: heads != tails" in view["last_failure"]


async def test_a_call_that_is_always_replayed_fails_with_the_first_mismatch() -> None:
    """Though the next try goes the first one's way, and would succeed."""
    async with harness(coin(), always_replay=True) as h:
        with pytest.raises(NotDeterministic, match=r"Coin/toss.* \[570\](.|\n)*name: heads != tails"):
            await h.call("Coin/toss")


async def test_deterministic_code_is_the_same_when_always_replayed() -> None:
    async with harness(reminder([]), bookshop(), always_replay=True) as h:
        assert await h.call("Reminder/twice") == [1, 30]
        assert await h.call("Shop/order", Order(title="Dune")) == "1 x Dune"


async def test_a_long_run_on_a_slow_machine_comes_to_its_end_while_time_is_skipped() -> None:
    """Each turn computes for longer than an attempt that only waits is silent."""
    service = restate.Service("Slow")

    @service.handler()
    async def count(ctx: restate.Context, to: int) -> int:
        done = 0
        for _ in range(to):
            done += await ctx.run_typed("one", lambda: 1)
            time.sleep(0.005)  # noqa: ASYNC251 - code that computes
        await ctx.sleep(timedelta(hours=1))
        return done

    async with harness(service, timeout_s=10) as h:
        assert await h.call("Slow/count", 80) == 80
