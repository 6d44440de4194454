"""Virtual objects: one exclusive handler a key at a time, shared ones beside it, and state."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import restate

pytestmark = pytest.mark.anyio


class Counter:
    """An object whose exclusive handler waits for the test, and logs when it is inside."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.go = asyncio.Event()
        self.object = restate.VirtualObject("Counter")
        self.object.handler()(self.add)
        self.object.handler(kind="shared")(self.read)
        self.object.handler()(self.reset)
        self.object.handler()(self.names)

    async def add(self, ctx: restate.ObjectContext, amount: int) -> int:
        async def wait() -> None:
            self.inside.append(f"{ctx.key()}+{amount}")
            await self.go.wait()

        await ctx.run_typed("wait", wait)
        total = (await ctx.get("total", type_hint=int) or 0) + amount
        ctx.set("total", total)
        return total

    async def read(self, ctx: restate.ObjectSharedContext) -> int | None:
        return await ctx.get("total", type_hint=int)

    async def reset(self, ctx: restate.ObjectContext) -> None:
        ctx.set("note", "was reset")
        ctx.clear("total")

    async def names(self, ctx: restate.ObjectContext) -> list[str]:
        return await ctx.state_keys()


async def test_one_exclusive_handler_at_a_time_in_order_of_arrival(start_engine) -> None:
    counter = Counter()
    async with start_engine(counter.object) as engine:
        waiting = [await engine.send("Counter/a/add", amount) for amount in (1, 2, 3)]
        await engine.when(waiting[0], lambda _: counter.inside)
        assert await engine.status(waiting[1]) == await engine.status(waiting[2]) == "pending"
        # Another key is another object; a shared handler does not wait.
        other = await engine.send("Counter/b/add", 10)
        await engine.when(other, lambda _: len(counter.inside) == 2)
        assert (await engine.call("Counter/a/read")).content == b""

        counter.go.set()
        assert [(await engine.attach(i)).json() for i in waiting] == [1, 3, 6]
        assert (await engine.attach(other)).json() == 10
        assert (await engine.call("Counter/a/read")).json() == 6
    assert counter.inside == ["a+1", "b+10", "a+2", "a+3"]


async def test_the_order_survives_a_restart(start_engine) -> None:
    before = Counter()
    async with start_engine(before.object) as engine:
        waiting = [await engine.send("Counter/a/add", amount) for amount in (1, 2, 3)]
        await engine.when(waiting[0], lambda _: before.inside)

    after = Counter()
    after.go.set()
    async with start_engine(after.object) as engine:
        assert [(await engine.attach(i)).json() for i in waiting] == [1, 3, 6]
    assert after.inside == ["a+1", "a+2", "a+3"]


async def test_state_is_set_cleared_and_listed(start_engine) -> None:
    counter = Counter()
    counter.go.set()
    async with start_engine(counter.object) as engine:
        await engine.call("Counter/a/add", 5)
        assert (await engine.call("Counter/a/names")).json() == ["total"]
        await engine.call("Counter/a/reset")
        assert (await engine.call("Counter/a/names")).json() == ["note"]
        assert (await engine.call("Counter/b/names")).json() == []


@pytest.mark.parametrize("preload", [True, False, ["small"]], ids=["eager", "lazy", "some"])
async def test_state_reads_alike_eager_and_lazy(start_engine, preload) -> None:
    box = restate.VirtualObject("Box", state_preload=preload)

    @box.handler()
    async def fill(ctx: restate.ObjectContext) -> None:
        ctx.set("small", "x")
        ctx.set("large", "y" * 10_000)

    @box.handler()
    async def look(ctx: restate.ObjectContext) -> list[object]:
        names = await ctx.state_keys()
        large = await ctx.get("large", type_hint=str)
        return [sorted(names), await ctx.get("small", type_hint=str), len(large or ""), await ctx.get("none")]

    async with start_engine(box) as engine:
        await engine.call("Box/a/fill")
        assert (await engine.call("Box/a/look")).json() == [["large", "small"], "x", 10_000, None]


async def test_state_too_large_to_send_at_once_is_read_lazily(start_engine) -> None:
    box = restate.VirtualObject("Box")

    @box.handler()
    async def fill(ctx: restate.ObjectContext, count: int) -> None:
        for number in range(count):
            ctx.set(f"part {number}", "z" * 500_000)

    @box.handler()
    async def look(ctx: restate.ObjectContext, name: str) -> int:
        return len(await ctx.get(name, type_hint=str) or "")

    async with start_engine(box) as engine:
        await engine.call("Box/a/fill", 5)
        answer = await engine.call("Box/a/look", "part 4")
        described = await engine.describe(answer.headers["x-restate-id"])

    assert answer.json() == 500_000
    assert "Command: GetLazyState" in [entry["entry_type"] for entry in described["journal"]]


async def test_a_killed_holder_makes_way_for_the_next(start_engine) -> None:
    counter = Counter()
    async with start_engine(counter.object) as engine:
        first, second, third = [await engine.send("Counter/a/add", amount) for amount in (1, 2, 3)]
        await engine.when(first, lambda _: counter.inside)
        await engine.admin.patch(f"/invocations/{second}/cancel")  # still pending: it never starts
        await engine.admin.patch(f"/invocations/{first}/kill")
        counter.go.set()
        assert (await engine.attach(third)).json() == 3
        assert (await engine.attach(second)).status_code == 409
    assert counter.inside == ["a+1", "a+3"]


async def test_a_key_may_hold_any_character(start_engine) -> None:
    echo = restate.VirtualObject("Echo")

    @echo.handler()
    async def key(ctx: restate.ObjectContext) -> str:
        return ctx.key()

    async with start_engine(echo) as engine:
        for path, expected in (("a%2Fb", "a/b"), ("%C3%A9%20%3F", "é ?"), ("send", "send")):
            assert (await engine.call(f"Echo/{path}/key")).json() == expected
        missing = await engine.call("Echo/key")
        assert (missing.status_code, "Echo' is called at /service/key/handler" in missing.text) == (400, True)


async def test_a_delayed_call_takes_its_place_when_it_is_due(start_engine) -> None:
    counter = Counter()
    async with start_engine(counter.object) as engine:
        late = await engine.send("Counter/a/add", 1, delay="200ms")
        first = await engine.send("Counter/a/add", 2)
        await engine.when(late, lambda view: view["status"] == "pending")
        counter.go.set()
        assert (await engine.attach(first)).json() == 2
        assert (await engine.attach(late)).json() == 3


async def test_an_object_calls_an_object_and_a_service_needs_no_key(start_engine) -> None:
    counter = Counter()
    counter.go.set()
    caller = restate.Service("Caller")

    @caller.handler()
    async def twice(ctx: restate.Context, key: str) -> int:
        await ctx.object_call(counter.object.handlers["add"].fn, key=key, arg=1)
        await ctx.sleep(timedelta(milliseconds=1))
        return int(await ctx.generic_call("Counter", "add", b"1", key=key))

    @caller.handler(
        invocation_retry_policy=restate.InvocationRetryPolicy(max_attempts=1, on_max_attempts="kill")
    )
    async def wrong(ctx: restate.Context) -> bytes:
        return await ctx.generic_call("Caller", "twice", b'"x"', key="a key")

    async with start_engine(counter.object, caller) as engine:
        assert (await engine.call("Caller/twice", "a")).json() == 2
        refused = await engine.call("Caller/wrong")
        assert "a plain service has no key" in refused.json()["message"]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("n" * 5000, "x", "state key of 5000 bytes; the limit is 4096"),
        ("big", "x" * (17 * 1024 * 1024), "state 'big' of 17825794 bytes; the limit is 16777216"),
    ],
    ids=["a long key", "a large value"],
)
async def test_state_has_limits_and_says_so(start_engine, name, value, says) -> None:
    once = restate.InvocationRetryPolicy(max_attempts=1, on_max_attempts="kill")
    box = restate.VirtualObject("Box", invocation_retry_policy=once)

    @box.handler()
    async def fill(ctx: restate.ObjectContext) -> None:
        ctx.set(name, value)

    @box.handler()
    async def names(ctx: restate.ObjectContext) -> list[str]:
        return await ctx.state_keys()

    async with start_engine(box) as engine:
        refused = await engine.call("Box/a/fill")
        assert refused.status_code == 413
        assert says in refused.json()["message"]
        assert (await engine.call("Box/a/names")).json() == []


async def test_a_scoped_call_of_an_object_is_refused_because_its_state_knows_no_scope(start_engine) -> None:
    counter = Counter()
    once = restate.InvocationRetryPolicy(max_attempts=1, on_max_attempts="kill")
    caller = restate.Service("Caller", invocation_retry_policy=once)

    @caller.handler()
    async def call(ctx: restate.Context) -> bytes:
        return await ctx.generic_call("Counter", "add", b"1", key="a", scope="tenant")

    async with start_engine(counter.object, caller) as engine:
        refused = await engine.call("Caller/call")

    assert refused.status_code == 400
    assert "cannot call Counter/add: a scope is for plain services only" in refused.json()["message"]
    assert counter.inside == []
