"""Calls between handlers, one-way calls, and attaching to others."""

from __future__ import annotations

import time

import pytest
from invocation_client import InvocationClient, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


async def test_calls_one_after_another(client: InvocationClient, suffix: str) -> None:
    assert await client.call(f"/Calls{suffix}/twice", [1, 2]) == 6


async def test_calls_at_once(client: InvocationClient, suffix: str) -> None:
    assert await client.call(f"/Calls{suffix}/fan_out", 20) == [f"hello {n}" for n in range(20)]


async def test_a_callees_failure_reaches_its_caller(client: InvocationClient, suffix: str) -> None:
    failure = {"code": 422, "message": "odd", "metadata": {"number": "3"}}
    assert await client.call(f"/Calls{suffix}/catch", failure) == [422, "odd", {"number": "3"}]


async def test_a_failure_that_nobody_catches_goes_up(client: InvocationClient, suffix: str) -> None:
    response = await client.post(f"/Calls{suffix}/pass_on", {"code": 418, "message": "tea"})
    assert (response.status_code, response.json()["message"]) == (418, "tea")


async def test_a_call_by_name_with_headers(client: InvocationClient) -> None:
    asked = {"service": "Basics", "handler": "request", "headers": {"x-tenant": "acme"}}
    assert '"x-tenant": "acme"' in await client.call("/Calls/call_any", asked)


async def test_headers_of_the_caller_are_not_the_callees(client: InvocationClient) -> None:
    asked = {"service": "Basics", "handler": "request"}
    said = await client.call("/Calls/call_any", asked, x_tenant="acme")
    assert "x-tenant" not in said


async def test_an_idempotent_callee_runs_once(client: InvocationClient, label: str, suffix: str) -> None:
    assert await client.call(f"/Calls{suffix}/call_twice_with_a_key", label) == [True, 1, 1]
    assert client.notes(label) == ["appended"]


async def test_a_callee_sees_its_idempotency_key(client: InvocationClient, label: str) -> None:
    asked = {"service": "Calls", "handler": "append", "body": f'"{label}"', "idempotency_key": label}
    assert await client.call("/Calls/call_any", asked) == "1"
    assert await client.call("/Calls/call_any", asked) == "1"
    assert await client.call("/Calls/append", label, idempotency_key=label) == 1


async def test_calling_what_is_not_deployed_is_tried_again(client: InvocationClient) -> None:
    asked = {"service": "Nobody", "handler": "greet"}
    invocation_id = await client.send("/Calls/call_any", asked)

    async def shown() -> bool:
        return "Nobody" in await client.last_failure(invocation_id)

    await until(shown)
    await client.act("kill", invocation_id)


async def test_a_one_way_call_is_not_waited_for(client: InvocationClient, label: str, suffix: str) -> None:
    callee_id = await client.call(f"/Calls{suffix}/send", {"label": label})
    assert await client.result(callee_id) == 1


async def test_a_delayed_one_way_call(client: InvocationClient, label: str, suffix: str) -> None:
    before = time.time()
    callee_id = await client.call(f"/Calls{suffix}/send", {"label": label, "delay_ms": 400})
    assert client.notes(label) == []
    assert await client.result(callee_id) == 1
    assert time.time() - before >= 0.4


async def test_a_handler_attaches_to_what_it_sent(client: InvocationClient, label: str, suffix: str) -> None:
    callee_id, result = await client.call(f"/Calls{suffix}/send_and_attach", label)
    assert callee_id.startswith("inv_1")
    assert result == 1


async def test_a_handler_attaches_to_what_runs_and_to_what_has_ended(
    client: InvocationClient, label: str, suffix: str
) -> None:
    asked = {"label": label, "duration_ms": 200}
    invocation_id = await client.send(f"/Waits{suffix}/nap_with_notes", asked, idempotency_key=label)
    assert await client.call(f"/Calls{suffix}/attach_to", invocation_id) == "rested"
    assert await client.call(f"/Calls{suffix}/attach_to", invocation_id) == "rested"


async def test_attaching_to_nothing_is_a_failure(client: InvocationClient, label: str) -> None:
    invocation_id = await client.send("/Basics/greet", "Ada", idempotency_key=label)
    unknown = invocation_id[:-4] + ("AAAA" if invocation_id[-4:] != "AAAA" else "BBBB")
    response = await client.post("/Calls/attach_to", unknown)
    assert response.status_code in (404, 409, 500)


async def test_one_way_calls_to_a_key_arrive_in_order(
    client: InvocationClient, label: str, suffix: str
) -> None:
    await client.call(f"/Calls{suffix}/send_in_order", {"key": label, "count": 20})

    async def all_remembered() -> list[int] | None:
        remembered: list[int] = await client.call(f"/Queue{suffix}/{label}/remembered")
        return remembered if len(remembered) == 20 else None

    assert await until(all_remembered) == list(range(20))
