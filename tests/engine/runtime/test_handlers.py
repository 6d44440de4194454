"""What a handler may do, on the embedded engine, with the real restate-sdk."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
import restate
from restate import InvocationRetryPolicy, RunOptions, TerminalError

pytestmark = pytest.mark.anyio

QUICK = InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=5), max_interval=timedelta(milliseconds=20), max_attempts=4
)


async def one() -> int:
    return 1


async def test_runs_are_journaled_in_order_and_their_results_kept(start_engine) -> None:
    service = restate.Service("S")

    @service.handler()
    async def add(ctx: restate.Context, count: int) -> int:
        return sum([await ctx.run_typed(f"step {n}", one) for n in range(count)])

    async with start_engine(service) as engine:
        answer = await engine.call("S/add", 5)
        described = await engine.describe(answer.headers["x-restate-id"])

    assert answer.json() == 5
    runs = [entry for entry in described["journal"] if entry["entry_type"] == "Command: Run"]
    assert [run["name"] for run in runs] == [f"step {n}" for n in range(5)]
    assert all(run["completed"] and run["value_preview"] == "1" for run in runs)


async def test_sleep_lasts_at_least_as_long(start_engine) -> None:
    service = restate.Service("S")

    @service.handler()
    async def nap(ctx: restate.Context) -> float:
        before = asyncio.get_running_loop().time()
        await ctx.sleep(timedelta(milliseconds=150))
        return asyncio.get_running_loop().time() - before

    async with start_engine(service) as engine:
        assert (await engine.call("S/nap")).json() >= 0.15


async def test_calls_return_results_and_pass_failures_on(start_engine) -> None:
    service = restate.Service("S")

    @service.handler()
    async def half(ctx: restate.Context, number: int) -> int:
        if number % 2:
            raise TerminalError("odd", status_code=422)
        return number // 2

    @service.handler()
    async def quarter(ctx: restate.Context, number: int) -> int:
        return await ctx.service_call(half, arg=await ctx.service_call(half, arg=number))

    async with start_engine(service) as engine:
        assert (await engine.call("S/quarter", 8)).json() == 2
        failed = await engine.call("S/quarter", 6)
        assert (failed.status_code, failed.json()["message"]) == (422, "odd")
        described = await engine.describe(failed.headers["x-restate-id"])

    calls = [entry for entry in described["journal"] if entry["entry_type"] == "Command: Call"]
    assert [call["invoked_target"] for call in calls] == ["S/half", "S/half"]
    assert calls[1]["failure_preview"] == "[422] odd"


async def test_a_scope_and_a_limit_key_reach_the_callee_and_those_who_look(start_engine) -> None:
    service = restate.Service("S")

    @service.handler()
    async def where(ctx: restate.Context, word: str) -> list[str | None]:
        request = ctx.request()
        return [word, request.scope, request.limit_key]

    @service.handler()
    async def ask(ctx: restate.Context) -> list[list[str | None]]:
        return [
            await ctx.scope("tenant").service_call(where, "scoped", limit_key="k"),
            await ctx.service_call(where, "plain"),
        ]

    async with start_engine(service) as engine:
        answer = await engine.call("S/ask")
        view = await engine.describe(answer.headers["x-restate-id"])
        scoped, plain = [await engine.describe(callee) for callee in _callees(view)]
        query = {"query": "SELECT scope, limit_key FROM sys_invocation WHERE scope IS NOT NULL"}
        queried = await engine.admin.post("/query", json=query, headers={"accept": "application/json"})

    assert answer.json() == [["scoped", "tenant", "k"], ["plain", None, None]]
    assert (scoped["scope"], scoped["limit_key"]) == ("tenant", "k")
    assert not {"scope", "limit_key"} & {*plain, *view}
    assert queried.json()["rows"] == [{"scope": "tenant", "limit_key": "k"}]


async def test_a_one_way_call_does_not_wait_and_may_be_delayed(start_engine) -> None:
    service = restate.Service("S")
    done: asyncio.Queue[str] = asyncio.Queue()

    @service.handler()
    async def record(ctx: restate.Context, word: str) -> None:
        done.put_nowait(word)

    @service.handler()
    async def fire(ctx: restate.Context) -> str:
        ctx.service_send(record, arg="later", send_delay=timedelta(milliseconds=200))
        handle = ctx.service_send(record, arg="now")
        return await handle.invocation_id()

    async with start_engine(service) as engine:
        callee_id = (await engine.call("S/fire")).json()
        assert (await engine.attach(callee_id)).status_code == 200
        assert [await done.get(), await done.get()] == ["now", "later"]


async def test_an_awakeable_resolved_by_another_handler(start_engine) -> None:
    service = restate.Service("S")

    @service.handler()
    async def answer(ctx: restate.Context, name: str) -> None:
        ctx.resolve_awakeable(name, {"approved": True})

    @service.handler()
    async def ask(ctx: restate.Context) -> bool:
        name, decision = ctx.awakeable(type_hint=dict)
        ctx.service_send(answer, arg=name)
        return bool((await decision)["approved"])

    async with start_engine(service) as engine:
        assert (await engine.call("S/ask")).json() is True


async def test_a_handler_attaches_to_another_invocation(start_engine) -> None:
    service = restate.Service("S")

    @service.handler()
    async def slow(ctx: restate.Context) -> str:
        await ctx.sleep(timedelta(milliseconds=50))
        return "done"

    @service.handler()
    async def watch(ctx: restate.Context, invocation_id: str) -> str:
        return await ctx.attach_invocation(invocation_id, type_hint=str)

    async with start_engine(service) as engine:
        invocation_id = await engine.send("S/slow")
        assert (await engine.call("S/watch", invocation_id)).json() == "done"


async def test_a_failing_attempt_is_retried_without_repeating_its_steps(start_engine) -> None:
    service = restate.Service("S")
    steps, attempts = [], []

    @service.handler(invocation_retry_policy=QUICK)
    async def flaky(ctx: restate.Context) -> str:
        async def effect() -> None:
            steps.append("effect")

        await ctx.run_typed("effect", effect)
        attempts.append("attempt")
        if len(attempts) < 3:
            raise ValueError("not yet")
        return "at last"

    async with start_engine(service) as engine:
        assert (await engine.call("S/flaky")).json() == "at last"

    assert (steps, len(attempts)) == (["effect"], 3)


async def test_attempts_run_out_and_a_person_resumes(start_engine) -> None:
    service = restate.Service("S")
    mended = asyncio.Event()

    @service.handler(invocation_retry_policy=QUICK)
    async def broken(ctx: restate.Context) -> str:
        if not mended.is_set():
            raise ValueError("the database is down")
        return "fine"

    async with start_engine(service) as engine:
        invocation_id = await engine.send("S/broken")
        view = await engine.when(invocation_id, lambda view: view["status"] == "paused")
        assert view["last_failure"] == "[500] ValueError('the database is down')"
        assert "in broken" in view["last_failure_stacktrace"]
        assert view["retry_count"] == 4

        mended.set()
        assert (await engine.admin.patch(f"/invocations/{invocation_id}/resume")).status_code == 200
        assert (await engine.attach(invocation_id)).json() == "fine"


async def test_attempts_run_out_and_the_policy_is_to_kill(start_engine) -> None:
    service = restate.Service("S")
    policy = InvocationRetryPolicy(
        initial_interval=timedelta(milliseconds=1), max_attempts=2, on_max_attempts="kill"
    )

    @service.handler(invocation_retry_policy=policy)
    async def broken(ctx: restate.Context) -> str:
        raise ValueError("for good")

    async with start_engine(service) as engine:
        answer = await engine.call("S/broken")

    assert (answer.status_code, answer.json()["message"]) == (500, "ValueError('for good')")


async def test_a_run_is_retried_by_its_own_policy(start_engine) -> None:
    service = restate.Service("S")
    tries = []

    @service.handler()
    async def fetch(ctx: restate.Context) -> str:
        async def flaky() -> str:
            tries.append(1)
            if len(tries) < 3:
                raise ConnectionError("reset")
            return "body"

        options = RunOptions[str](max_attempts=5, initial_retry_interval=timedelta(milliseconds=5))
        return await ctx.run_typed("fetch", flaky, options)

    async with start_engine(service) as engine:
        assert (await engine.call("S/fetch")).json() == "body"
    assert len(tries) == 3


async def test_calling_what_is_not_deployed_fails_the_attempt_with_a_reason(start_engine) -> None:
    service = restate.Service("S")

    @service.handler(invocation_retry_policy=QUICK)
    async def lost(ctx: restate.Context) -> bytes:
        return await ctx.generic_call("Nobody", "greet", b"")

    async with start_engine(service) as engine:
        invocation_id = await engine.send("S/lost")
        view = await engine.when(invocation_id, lambda view: view["status"] == "paused")

    assert view["last_failure"] == "[404] cannot call Nobody/greet: no deployment serves it"
    assert [entry["entry_type"] for entry in view["journal"]] == ["Command: Input"]


async def test_cancel_lets_code_clean_up_and_reaches_what_it_called(start_engine) -> None:
    service = restate.Service("S")
    cleaned = []

    @service.handler()
    async def wait(ctx: restate.Context) -> None:
        await ctx.sleep(timedelta(hours=1))

    @service.handler()
    async def book(ctx: restate.Context) -> str:
        try:
            await ctx.service_call(wait, arg=None)
        except TerminalError:

            async def undo() -> None:
                cleaned.append("undone")

            await ctx.run_typed("undo", undo)
            raise
        return "booked"

    async with start_engine(service) as engine:
        invocation_id = await engine.send("S/book")
        callees = _callees(await engine.when(invocation_id, _callees))
        assert (await engine.admin.patch(f"/invocations/{invocation_id}/cancel")).status_code == 202
        result = await engine.attach(invocation_id)
        callee = await engine.attach(callees[0])

    assert (result.status_code, cleaned) == (409, ["undone"])
    assert callee.status_code == 409


async def test_kill_ends_an_invocation_and_its_callees_at_once(start_engine) -> None:
    service = restate.Service("S")

    @service.handler()
    async def wait(ctx: restate.Context) -> None:
        await ctx.sleep(timedelta(hours=1))

    @service.handler()
    async def outer(ctx: restate.Context) -> None:
        await ctx.service_call(wait, arg=None)

    async with start_engine(service) as engine:
        invocation_id = await engine.send("S/outer")
        callees = _callees(await engine.when(invocation_id, _callees))
        assert (await engine.admin.patch(f"/invocations/{invocation_id}/kill")).status_code == 200

        for doomed in (invocation_id, callees[0]):
            answer = await engine.attach(doomed)
            assert (answer.status_code, answer.json()["message"]) == (409, "killed")
        again = await engine.admin.patch(f"/invocations/{invocation_id}/kill")
        assert again.status_code == 409


async def test_a_silent_attempt_suspends_and_resumes(start_engine) -> None:
    service = restate.Service("S")
    attempts = []

    @service.handler(inactivity_timeout=timedelta(milliseconds=50))
    async def patient(ctx: restate.Context) -> str:
        attempts.append(1)
        name, answer = ctx.awakeable()
        await ctx.run_typed("name", lambda: name)
        return str(await answer)

    async with start_engine(service) as engine:
        invocation_id = await engine.send("S/patient")
        view = await engine.when(invocation_id, lambda view: view["status"] == "suspended")
        name = json.loads(view["journal"][1]["value_preview"])
        await engine.ingress.post(f"/restate/awakeables/{name}/resolve", json="awake")

        assert (await engine.attach(invocation_id)).json() == "awake"
    assert len(attempts) == 2


async def test_replaying_at_every_await_changes_nothing(start_engine) -> None:
    """`inactivity_timeout_ms=0` ends the attempt wherever the handler waits."""
    service = restate.Service("S")
    effects = []

    @service.handler()
    async def echo(ctx: restate.Context, text: str) -> str:
        return text

    @service.handler()
    async def busy(ctx: restate.Context) -> list[object]:
        async def effect() -> int:
            effects.append(1)
            return len(effects)

        first = await ctx.run_typed("first", effect)
        await ctx.sleep(timedelta(milliseconds=10))
        called = await ctx.service_call(echo, arg="hi")
        second = await ctx.run_typed("second", effect)
        return [first, called, second, ctx.random().random()]

    async with start_engine(service, inactivity_timeout_ms=0) as engine:
        answer = await engine.call("S/busy")
        described = await engine.describe(answer.headers["x-restate-id"])

    assert answer.json()[:3] == [1, "hi", 2]
    assert len(effects) == 2
    assert described["attempt"] > 3


def _callees(view: dict[str, Any]) -> list[str]:
    return [entry["invoked_id"] for entry in view["journal"] if entry["entry_type"] == "Command: Call"]
