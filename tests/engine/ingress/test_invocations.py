"""Calls and sends over real HTTP."""

from __future__ import annotations

import asyncio

import pytest
import restate
from restate.serde import BytesSerde

pytestmark = pytest.mark.anyio

greeter = restate.Service("Greeter")


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


@greeter.handler()
async def refuse(ctx: restate.Context, code: int) -> str:
    raise restate.TerminalError("not today", status_code=code)


@greeter.handler()
async def headers(ctx: restate.Context) -> dict[str, str]:
    return dict(ctx.request().headers)


@greeter.handler(
    accept="application/octet-stream",
    content_type="image/png",
    input_serde=BytesSerde(),
    output_serde=BytesSerde(),
)
async def paint(ctx: restate.Context, raw: bytes) -> bytes:
    return raw[::-1]


class Till:
    """A service whose handler waits for an awakeable, and tells the test its id."""

    def __init__(self) -> None:
        self.service = restate.Service("Till")
        self.published: asyncio.Queue[str] = asyncio.Queue()
        self.service.handler()(self.confirm)

    async def confirm(self, ctx: restate.Context) -> str:
        name, confirmation = ctx.awakeable()

        async def publish() -> None:
            self.published.put_nowait(name)

        await ctx.run_typed("publish", publish)
        return str(await confirmation)


async def test_a_call_answers_with_the_result_and_the_invocations_id(start_engine) -> None:
    async with start_engine(greeter) as engine:
        answer = await engine.call("Greeter/greet", "Ada")

        assert answer.json() == "Hello Ada"
        assert answer.headers["content-type"] == "application/json"
        assert (await engine.describe(answer.headers["x-restate-id"]))["completion_result"] == "success"


@pytest.mark.parametrize(("code", "status"), [(409, 409), (503, 503), (200, 500), (1000, 500)])
async def test_a_terminal_error_answers_with_its_code(start_engine, code, status) -> None:
    async with start_engine(greeter) as engine:
        answer = await engine.call("Greeter/refuse", code)

        assert answer.status_code == status
        assert answer.json() == {"code": status, "message": "not today", "source": "invocation"}
        assert answer.headers["x-restate-id"].startswith("inv_1")


async def test_bytes_go_in_and_out_with_their_content_types(start_engine) -> None:
    async with start_engine(greeter) as engine:
        answer = await engine.ingress.post(
            "/Greeter/paint", content=b"\x00\x01\xff", headers={"content-type": "application/octet-stream"}
        )

        assert answer.content == b"\xff\x01\x00"
        assert answer.headers["content-type"] == "image/png"


async def test_headers_are_passed_through(start_engine) -> None:
    async with start_engine(greeter) as engine:
        answer = await engine.ingress.post("/Greeter/headers?page=2", headers={"x-tenant": "blue"})

        assert answer.json()["x-tenant"] == "blue"
        assert answer.json()["x-restate-ingress-path"] == "/Greeter/headers?page=2"


async def test_a_send_answers_at_once_and_its_result_can_be_fetched_later(start_engine) -> None:
    async with start_engine(greeter) as engine:
        sent = await engine.ingress.post("/Greeter/greet/send", json="Ada")

        assert sent.status_code == 202
        assert sent.json()["status"] == "Accepted"
        invocation_id = sent.json()["invocationId"]
        assert sent.headers["x-restate-id"] == invocation_id
        assert (await engine.attach(invocation_id)).json() == "Hello Ada"
        output = await engine.ingress.get(f"/restate/invocation/{invocation_id}/output")
        assert output.json() == "Hello Ada"


@pytest.mark.parametrize("delay", ["300ms", "PT0.3S"])
async def test_a_delayed_send_runs_no_earlier(start_engine, delay) -> None:
    async with start_engine(greeter) as engine:
        sent = await engine.ingress.post("/Greeter/greet/send", json="Ada", params={"delay": delay})
        invocation_id = sent.json()["invocationId"]

        assert await engine.status(invocation_id) == "scheduled"
        not_yet = await engine.ingress.get(f"/restate/invocation/{invocation_id}/output")
        assert not_yet.status_code == 470
        assert (await engine.attach(invocation_id)).json() == "Hello Ada"
        described = await engine.describe(invocation_id)
        assert described["completed_at"] >= sent.json()["executionTime"]


async def test_an_idempotency_key_makes_two_requests_one(start_engine) -> None:
    async with start_engine(greeter) as engine:
        key = {"idempotency-key": "order-7"}
        first = await engine.call("Greeter/greet", "Ada", **key)
        second = await engine.call("Greeter/greet", "Bob", **key)
        third = await engine.ingress.post("/Greeter/greet/send", json="Eve", headers=key)

        assert second.json() == first.json() == "Hello Ada"
        assert second.headers["x-restate-id"] == first.headers["x-restate-id"]
        assert third.json()["status"] == "PreviouslyAccepted"
        by_key = await engine.ingress.get("/restate/invocation/Greeter/greet/order-7/output")
        assert by_key.json() == "Hello Ada"


@pytest.mark.parametrize(
    ("verb", "body", "status", "answer"),
    [
        ("resolve", '"yes"', 200, "yes"),
        ("reject", "no money", 500, {"code": 500, "message": "no money", "source": "invocation"}),
    ],
)
async def test_an_awakeable_waits_for_the_first_answer_from_outside(
    start_engine, verb, body, status, answer
) -> None:
    till = Till()
    async with start_engine(till.service) as engine:
        waiting = asyncio.create_task(engine.call("Till/confirm"))
        name = await till.published.get()
        path = f"/restate/awakeables/{name}"

        assert (await engine.ingress.post(f"{path}/{verb}", content=body)).status_code == 202
        late = await engine.ingress.post(f"{path}/resolve", content='"too late"')

        assert late.status_code == 202
        result = await waiting
        assert (result.status_code, result.json()) == (status, answer)


async def test_a_client_that_leaves_does_not_end_the_invocation(start_engine) -> None:
    till = Till()
    async with start_engine(till.service) as engine:
        calling = asyncio.create_task(engine.call("Till/confirm"))
        name = await till.published.get()
        calling.cancel()

        await engine.ingress.post(f"/restate/awakeables/{name}/resolve", json="yes")

        (invocation,) = (await engine.admin.get("/invocations")).json()["invocations"]
        assert (await engine.attach(invocation["id"])).json() == "yes"


async def test_health(start_engine) -> None:
    async with start_engine() as engine:
        assert (await engine.ingress.get("/restate/health")).status_code == 200
        assert (await engine.admin.get("/health")).status_code == 200
