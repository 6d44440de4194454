"""A client calls handlers of a real engine, over a network that breaks."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import restate
from cutting_proxy import CuttingProxy, cutting_proxy
from free_port import free_port
from pydantic import BaseModel
from restate.serde import BytesSerde

from perdure.client import (
    Backoff,
    ByIdempotencyKey,
    Client,
    ConnectionLost,
    InvocationFailed,
    NotCompleted,
    RequestError,
    WorkflowRun,
)
from perdure.protocol import ids
from perdure.testing import harness

pytestmark = pytest.mark.anyio

SOON = Backoff(first_ms=1, max_ms=20, give_up_after_s=5)
UNKNOWN = ids.encode_invocation_id(bytes(24))


class Order(BaseModel):
    item: str
    count: int = 1


@dataclass
class Shop:
    """`ran` are the orders whose handler ran, each as often as it did."""

    ran: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def services(self) -> list[Any]:
        shop, cart, trip = restate.Service("Shop"), restate.VirtualObject("Cart"), restate.Workflow("Trip")

        @shop.handler()
        async def order(ctx: restate.Context, order: Order) -> Order:
            self.ran.append(order.item)
            return Order(item=order.item.upper(), count=order.count + 1)

        @shop.handler()
        async def wait(ctx: restate.Context) -> str:
            async def opened() -> str:
                self.asked.set()
                await self.open.wait()
                return "open"

            return await ctx.run_typed("wait", opened)

        @shop.handler()
        async def refuse(ctx: restate.Context, why: str) -> None:
            raise restate.TerminalError(why, status_code=422)

        @shop.handler()
        async def headers(ctx: restate.Context) -> dict[str, str]:
            return dict(ctx.request().headers)

        @shop.handler(
            accept="application/octet-stream",
            content_type="application/octet-stream",
            input_serde=BytesSerde(),
            output_serde=BytesSerde(),
        )
        async def echo(ctx: restate.Context, data: bytes) -> bytes:
            return data

        @cart.handler()
        async def add(ctx: restate.ObjectContext, item: str) -> list[str]:
            items = [*(await ctx.get("items", type_hint=list) or []), item]
            ctx.set("items", items)
            return items

        @trip.main()
        async def run(ctx: restate.WorkflowContext, to: str) -> str:
            self.ran.append(to)
            return f"{ctx.key()} went to {to}"

        return [shop, cart, trip]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
async def ingress(shop: Shop) -> AsyncIterator[str]:
    async with harness(*shop.services(), ports=True, skip_time=False) as h:
        yield h.ingress_url


async def test_a_call_takes_values_models_and_bytes_and_gives_values(client: Client) -> None:
    assert await client.call("Shop/order", Order(item="tea")) == {"item": "TEA", "count": 2}
    assert await client.call("Shop/order", {"item": "tea", "count": 3}) == {"item": "TEA", "count": 4}
    assert await client.call("Shop/echo", b"\x00\xff") == b"\x00\xff"


async def test_an_object_is_named_by_any_key(client: Client) -> None:
    for key in ("ada", "a/b c?d#é%2F"):
        assert await client.call("Cart/add", "tea", key=key) == ["tea"]
    assert await client.call("Cart/add", "jam", key="a/b c?d#é%2F") == ["tea", "jam"]


async def test_headers_reach_the_handler_and_each_call_has_a_key_of_its_own(ingress: str) -> None:
    async with Client(ingress.removeprefix("http://"), headers={"x-one": "1"}) as client:
        seen = await client.call("Shop/headers", headers={"x-two": "2"})
    assert (seen["x-one"], seen["x-two"]) == ("1", "2")


async def test_calls_without_a_key_given_are_different_calls(client: Client, shop: Shop) -> None:
    for _ in range(2):
        await client.call("Shop/order", Order(item="tea"))
    for _ in range(2):
        await client.call("Shop/order", Order(item="jam"), idempotency_key="jam for Ada")
    assert shop.ran == ["tea", "tea", "jam"]


async def test_a_sent_invocation_is_looked_for_by_its_handle_or_its_key(client: Client, shop: Shop) -> None:
    sent = await client.send("Shop/wait", idempotency_key="k1")
    assert sent.is_new
    again = await client.send("Shop/wait", idempotency_key="k1")
    assert (again.id, again.is_new) == (sent.id, False)
    with pytest.raises(NotCompleted):
        await client.output(sent)
    attached = asyncio.create_task(client.attach(sent))
    shop.open.set()
    assert await attached == "open"
    for reference in (sent, sent.id, ByIdempotencyKey("Shop/wait", "k1")):
        assert await client.output(reference) == "open"


async def test_a_send_can_be_delayed(client: Client, shop: Shop) -> None:
    sent = await client.send("Shop/order", Order(item="tea"), delay=timedelta(milliseconds=150))
    assert shop.ran == []
    assert (await client.attach(sent))["item"] == "TEA"


async def test_a_workflow_is_called_by_its_key_as_often_as_you_like(client: Client, shop: Shop) -> None:
    for _ in range(2):
        assert await client.call("Trip/run", "Rome", key="ada", workflow=True) == "ada went to Rome"
    assert await client.output(WorkflowRun("Trip", "ada")) == "ada went to Rome"
    assert shop.ran == ["Rome"]


async def test_a_handlers_terminal_error_is_told_with_its_code(client: Client) -> None:
    with pytest.raises(InvocationFailed, match="no tea left") as failed:
        await client.call("Shop/refuse", "no tea left")
    assert failed.value.code == 422


@pytest.mark.parametrize("target", ["Shop", "Shop/", "/order", "Cart/ada/add"])
async def test_a_target_of_another_shape_is_refused_before_it_is_sent(client: Client, target: str) -> None:
    with pytest.raises(ValueError, match="not of the form 'Service/handler'"):
        await client.call(target)


async def test_what_the_ingress_refuses_is_told_with_its_status(client: Client) -> None:
    for status, request in [
        (404, client.call("Nobody/there")),
        (400, client.call("Shop/order", "no order")),
        (404, client.attach(UNKNOWN)),
        (400, client.output("inv_1")),
    ]:
        with pytest.raises(RequestError) as refused:
            await request
        assert refused.value.status == status


async def test_a_call_runs_once_wherever_its_answer_is_cut_off(proxy: CuttingProxy, shop: Shop) -> None:
    async with Client(proxy.url, backoff=SOON, headers={"connection": "close"}) as client:
        for n in itertools.count():
            proxy.cuts, cut_before = [n], proxy.was_cut
            assert (await client.call("Shop/order", Order(item=str(n))))["count"] == 2
            assert shop.ran == [str(n)]
            shop.ran.clear()
            if proxy.was_cut == cut_before:
                break
    assert proxy.was_cut > 200


async def test_without_a_key_a_cut_call_is_not_made_again(proxy: CuttingProxy, shop: Shop) -> None:
    proxy.cuts = [10]
    async with Client(proxy.url, backoff=SOON) as client:
        with pytest.raises(ConnectionLost, match="may have run"):
            await client.call("Shop/order", Order(item="tea"), idempotency_key=None)
    assert shop.ran == ["tea"]


async def test_where_nobody_answers_the_client_gives_up() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with Client(nowhere, backoff=Backoff(first_ms=10, max_ms=10, give_up_after_s=0.2)) as client:
        with pytest.raises(ConnectionLost, match=r"nothing answers at .*, for 0\.2 s"):
            await client.call("Shop/wait")


async def test_a_call_outlives_the_restart_of_the_engine(shop: Shop, tmp_path: Any) -> None:
    async with harness(*shop.services(), data_dir=tmp_path, ports=True, skip_time=False) as h:
        port = urlsplit(h.ingress_url).port
        assert port is not None
        async with cutting_proxy(port) as proxy, Client(proxy.url, backoff=SOON) as client:
            called = asyncio.create_task(client.call("Shop/wait"))
            await shop.asked.wait()
            await h.restart()
            proxy.upstream_port = urlsplit(h.ingress_url).port
            shop.open.set()
            assert await called == "open"
            assert len(list(h.engine.store.invocations.newest(10, None, None))) == 1


async def test_pauses_grow_to_a_limit_and_differ_by_chance() -> None:
    backoff = Backoff(first_ms=100, max_ms=1_000)
    pauses_s = [[backoff.pause_s(failures) for _ in range(100)] for failures in (1, 2, 3, 4, 5, 5_000)]
    for most_s, seen in zip((0.1, 0.2, 0.4, 0.8, 1.0, 1.0), pauses_s, strict=True):
        assert most_s / 2 <= min(seen) < max(seen) <= most_s
