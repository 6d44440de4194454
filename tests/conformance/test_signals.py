"""Awakeables, named signals, cancel and kill."""

from __future__ import annotations

from typing import Any

import pytest
from invocation_client import InvocationClient
from served_engine import Served

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


@pytest.mark.parametrize("value", [None, 0, "yes ✓", {"a": [1]}], ids=repr)
async def test_an_awakeable_resolved_over_http(
    client: InvocationClient, label: str, suffix: str, value: Any
) -> None:
    invocation_id = await client.send(f"/Signals{suffix}/wait_for_awakeable", label)
    [name] = await client.noted(label)
    assert name.startswith("sign_1")
    resolved = await client.post(f"/restate/awakeables/{name}/resolve", value)
    assert resolved.status_code == 202
    assert await client.result(invocation_id) == value


async def test_an_awakeable_rejected_over_http(client: InvocationClient, label: str, suffix: str) -> None:
    invocation_id = await client.send(f"/Signals{suffix}/wait_for_awakeable", label)
    [name] = await client.noted(label)
    rejected = await client.ingress.post(
        f"/restate/awakeables/{name}/reject", content="too late ✓", headers={"content-type": "text/plain"}
    )
    assert rejected.status_code == 202
    assert await client.result(invocation_id) == [500, "too late ✓"]


async def test_the_first_answer_to_an_awakeable_stands(client: InvocationClient, label: str) -> None:
    invocation_id = await client.send("/Signals/wait_for_awakeable", label)
    [name] = await client.noted(label)
    for value in ("first", "second"):
        assert (await client.post(f"/restate/awakeables/{name}/resolve", value)).status_code == 202
    assert await client.result(invocation_id) == "first"


async def test_an_awakeable_resolved_by_a_handler(client: InvocationClient, label: str, suffix: str) -> None:
    invocation_id = await client.send(f"/Signals{suffix}/wait_for_awakeable", label)
    [name] = await client.noted(label)
    await client.call(f"/Signals{suffix}/resolve", {"name": name, "value": {"approved": True}})
    assert await client.result(invocation_id) == {"approved": True}


async def test_an_awakeable_rejected_by_a_handler(client: InvocationClient, label: str, suffix: str) -> None:
    invocation_id = await client.send(f"/Signals{suffix}/wait_uncaught", label)
    [name] = await client.noted(label)
    await client.call(f"/Signals{suffix}/reject", {"name": name, "message": "no", "code": 418})
    answer = await client.attach(invocation_id)
    assert (answer.status_code, answer.json()["message"]) == (418, "no")


async def test_a_large_answer_to_an_awakeable(client: InvocationClient, label: str, suffix: str) -> None:
    invocation_id = await client.send(f"/Signals{suffix}/wait_for_awakeable", label)
    [name] = await client.noted(label)
    await client.post(f"/restate/awakeables/{name}/resolve", "x" * 1_000_000)
    assert await client.result(invocation_id) == "x" * 1_000_000


async def test_an_awakeable_of_an_invocation_that_has_ended(client: InvocationClient, label: str) -> None:
    invocation_id = await client.send("/Signals/wait_for_awakeable", label)
    [name] = await client.noted(label)
    await client.post(f"/restate/awakeables/{name}/resolve", 1)
    await client.result(invocation_id)
    assert (await client.post(f"/restate/awakeables/{name}/resolve", 2)).status_code == 202


async def test_named_signals_from_a_handler(client: InvocationClient, suffix: str) -> None:
    invocation_id = await client.send(f"/Signals{suffix}/wait_for_signals", ["first", "second"])
    # The second comes before anybody waits for it.
    for name in ("second", "first"):
        await client.call(f"/Signals{suffix}/send_signal", {"id": invocation_id, "name": name, "value": name})
    assert await client.result(invocation_id) == ["first", "second"]


async def test_a_rejected_signal(client: InvocationClient, suffix: str) -> None:
    invocation_id = await client.send(f"/Signals{suffix}/wait_for_signals", ["go"])
    asked = {"id": invocation_id, "name": "go", "failure": "stop"}
    await client.call(f"/Signals{suffix}/send_signal", asked)
    assert await client.result(invocation_id) == [[418, "stop"]]


async def test_cancel_lets_code_clean_up(client: InvocationClient, label: str, suffix: str) -> None:
    invocation_id = await client.send(f"/Signals{suffix}/wait_until_cancelled", label)
    await client.noted(label)
    assert (await client.act("cancel", invocation_id)).status_code in (200, 202)
    answer = await client.attach(invocation_id)
    assert (answer.status_code, answer.json()["message"]) == (409, "cancelled")
    assert client.notes(label) == ["waiting", "undone 409"]


async def test_cancel_reaches_children(client: InvocationClient, label: str, suffix: str) -> None:
    invocation_id = await client.send(f"/Signals{suffix}/wait_in_a_child", label)
    await client.noted(label)
    await client.act("cancel", invocation_id)
    assert (await client.attach(invocation_id)).status_code == 409
    assert sorted(await client.noted(label, 3)) == ["parent saw it", "undone 409", "waiting"]


async def test_code_may_go_on_when_cancelled(client: InvocationClient, label: str, suffix: str) -> None:
    invocation_id = await client.send(f"/Signals{suffix}/go_on_when_cancelled", label)
    await client.noted(label)
    await client.act("cancel", invocation_id)
    assert await client.result(invocation_id) == "kept going after 409"


async def test_a_handler_cancels_another(client: InvocationClient, label: str, suffix: str) -> None:
    invocation_id = await client.send(f"/Signals{suffix}/wait_until_cancelled", label)
    await client.noted(label)
    await client.call(f"/Signals{suffix}/cancel", invocation_id)
    assert (await client.attach(invocation_id)).status_code == 409


async def test_a_handler_cancels_its_own_call(client: InvocationClient, label: str, suffix: str) -> None:
    assert await client.call(f"/Signals{suffix}/cancel_a_child", label) == [409, "cancelled"]
    assert client.notes(label)[-1] == "undone 409"


async def test_cancelling_what_is_scheduled(client: InvocationClient, served: Served, label: str) -> None:
    """restate-server forgets what never ran; ours keeps the outcome for those who ask later."""
    response = await client.post("/Calls/append/send?delay=1h", label)
    invocation_id = response.json()["invocationId"]
    assert (await client.act("cancel", invocation_id)).is_success
    assert (await client.attach(invocation_id)).status_code == (409 if served.name == "embedded" else 404)
    assert client.notes(label) == []


async def test_cancelling_what_is_paused(client: InvocationClient, label: str) -> None:
    """It goes on, as its code may clean up; this code never awaits anything, and does not hear of it."""
    invocation_id = await client.send("/Basics/fail_until_mended", label)
    await client.until_status(invocation_id, "paused")
    client.write_note(f"{label}-mended")
    assert (await client.act("cancel", invocation_id)).is_success
    assert await client.result(invocation_id) == "mended"


async def test_kill_ends_an_invocation_and_its_children_at_once(
    client: InvocationClient, label: str, suffix: str
) -> None:
    invocation_id = await client.send(f"/Signals{suffix}/wait_in_a_child", label)
    await client.noted(label)
    [child] = await client.query(f"SELECT id FROM sys_invocation WHERE invoked_by_id = '{invocation_id}'")
    assert (await client.act("kill", invocation_id)).status_code in (200, 202)
    for killed in (invocation_id, child["id"]):
        answer = await client.attach(killed)
        assert (answer.status_code, answer.json()["message"]) == (409, "killed")
    assert client.notes(label) == ["waiting"]


@pytest.mark.parametrize("verb", ["cancel", "kill"])
async def test_acting_on_what_has_ended(client: InvocationClient, verb: str) -> None:
    response = await client.post("/Basics/greet", "Ada")
    refused = await client.act(verb, response.headers["x-restate-id"])
    assert refused.status_code == 409


@pytest.mark.parametrize("verb", ["cancel", "kill"])
async def test_acting_on_what_never_was(client: InvocationClient, verb: str) -> None:
    known = (await client.post("/Basics/greet", "Ada")).headers["x-restate-id"]
    unknown = known[:-4] + ("AAAA" if known[-4:] != "AAAA" else "BBBB")
    assert (await client.act(verb, unknown)).status_code == 404
    assert (await client.act(verb, "inv_nonsense")).status_code == 400
