"""Workflows: run once a key, durable promises, attach and output."""

from __future__ import annotations

import pytest
from invocation_client import InvocationClient

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


@pytest.fixture
def path(suffix: str, label: str) -> str:
    return f"/Signup{suffix}/{label}"


@pytest.fixture
async def running(client: InvocationClient, path: str, label: str) -> str:
    """A run that waits for its promise: its invocation id."""
    invocation_id = await client.send(f"{path}/run", {"name": "Ada", "label": label})
    await client.noted(label)
    return invocation_id


async def test_a_promise_resolved_by_another_handler(
    client: InvocationClient, path: str, running: str
) -> None:
    assert await client.call(f"{path}/peek") == [None]
    await client.call(f"{path}/click", "https://x")
    assert await client.result(running) == "Ada clicked https://x"
    assert await client.call(f"{path}/peek") == ["https://x"]


async def test_a_promise_rejected_by_another_handler(
    client: InvocationClient, path: str, running: str
) -> None:
    await client.call(f"{path}/reject", "spam")
    answer = await client.attach(running)
    assert (answer.status_code, answer.json()["message"]) == (422, "spam")
    peeked = await client.post(f"{path}/peek")
    assert (peeked.status_code, peeked.json()["message"]) == (422, "spam")


async def test_a_promise_is_completed_once(client: InvocationClient, path: str, running: str) -> None:
    await client.call(f"{path}/click", "first")
    for verb in ("click", "reject"):
        again = await client.post(f"{path}/{verb}", "second")
        assert again.status_code == 409
    assert await client.result(running) == "Ada clicked first"


async def test_a_promise_may_be_resolved_before_anybody_waits(
    client: InvocationClient, path: str, label: str
) -> None:
    await client.call(f"{path}/click", "early")
    assert await client.call(f"{path}/run", {"name": "Ada", "label": label}) == "Ada clicked early"


async def test_several_handlers_wait_for_one_promise(
    client: InvocationClient, path: str, running: str
) -> None:
    waiting = [await client.send(f"{path}/await") for _ in range(3)]
    await client.call(f"{path}/click", "all")
    assert [await client.result(one) for one in waiting] == ["all"] * 3


async def test_state_of_a_workflow_is_read_while_it_runs_and_after(
    client: InvocationClient, path: str, running: str, label: str
) -> None:
    assert await client.call(f"{path}/stored") == ["Ada", None, label]
    await client.call(f"{path}/click", "x")
    await client.attach(running)
    assert await client.call(f"{path}/stored") == ["Ada", "verified", label]


async def test_a_second_send_is_told_of_the_first(
    client: InvocationClient, path: str, running: str, label: str
) -> None:
    again = await client.post(f"{path}/run/send", {"name": "Eve", "label": label})
    assert (again.status_code, again.json()["status"]) == (202, "PreviouslyAccepted")
    assert again.json()["invocationId"] == running
    await client.call(f"{path}/click", "x")
    assert await client.result(running) == "Ada clicked x"
    assert client.notes(label).count("run") >= 1


async def test_a_second_call_is_refused(
    client: InvocationClient, path: str, running: str, label: str
) -> None:
    again = await client.post(f"{path}/run", {"name": "Eve", "label": label})
    assert again.status_code == 409
    await client.call(f"{path}/click", "x")
    await client.attach(running)
    after = await client.post(f"{path}/run", {"name": "Eve", "label": label})
    assert after.status_code == 409


async def test_attach_and_output_by_key(client: InvocationClient, path: str, running: str) -> None:
    early = await client.ingress.get(f"/restate/workflow{path}/output")
    assert early.status_code == 470
    await client.call(f"{path}/click", "x")
    attached = await client.ingress.get(f"/restate/workflow{path}/attach")
    output = await client.ingress.get(f"/restate/workflow{path}/output")
    assert attached.json() == output.json() == "Ada clicked x"


async def test_output_of_a_workflow_that_never_ran(client: InvocationClient, path: str) -> None:
    assert (await client.ingress.get(f"/restate/workflow{path}/output")).status_code == 404
    assert (await client.ingress.get(f"/restate/workflow{path}/attach")).status_code == 404


async def test_a_handler_starts_a_workflow_and_has_its_result(
    client: InvocationClient, suffix: str, label: str
) -> None:
    asked = {"name": "Ada", "label": label}
    answer = await client.call(f"/Parent{suffix}/start_signup", asked)
    assert answer == "Ada clicked https://parent"
    again = await client.post(f"/Parent{suffix}/start_signup", asked)
    assert again.status_code == 409
