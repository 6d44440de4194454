"""SIGKILL in the middle of things: the service, the engine, both; then started again on the same data.

A note that a step made just before the kill may be there twice: its result was not recorded yet.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import httpx2
import pytest
from invocation_client import InvocationClient, until
from served_engine import Served

pytestmark = [pytest.mark.anyio, pytest.mark.crash, pytest.mark.timeout(100)]

Restart = Callable[[Served], Awaitable[None]]


async def the_service(served: Served) -> None:
    served.endpoint.kill()
    await served.endpoint.start()


async def the_engine(served: Served) -> None:
    served.engine.kill()
    await served.engine.start()


async def both(served: Served) -> None:
    served.engine.kill()
    served.endpoint.kill()
    await served.endpoint.start()
    await served.engine.start()


@pytest.fixture(params=[the_service, the_engine, both], ids=lambda restart: restart.__name__)
def kill_and_restart(request: pytest.FixtureRequest) -> Restart:
    restart: Restart = request.param
    return restart


@pytest.fixture
async def client(served: Served) -> AsyncIterator[InvocationClient]:
    """Its own connections: the shared ones end with the engine. Nobody inherits a dead one."""
    await served.ensure_running()
    async with served.client() as client:
        yield client


async def test_steps_go_on_where_they_stood(
    served: Served, client: InvocationClient, label: str, kill_and_restart: Restart
) -> None:
    asked = {"label": label, "count": 20, "step_ms": 40}
    invocation_id = await client.send("/Steps/slow_steps", asked)
    await client.noted(label, 5)
    await kill_and_restart(served)
    assert await client.result(invocation_id) == list(range(20))
    notes = client.notes(label)
    # The step that was under way may take place again; what was recorded may not.
    assert sorted(set(notes), key=int) == [str(n) for n in range(20)]
    assert len(notes) <= 21


async def test_a_sleep_goes_on_while_nobody_is_there(
    served: Served, client: InvocationClient, label: str, kill_and_restart: Restart
) -> None:
    before = time.time()
    asked = {"label": label, "duration_ms": 1500}
    invocation_id = await client.send("/Waits/nap_with_notes", asked)
    await client.noted(label)
    await kill_and_restart(served)
    assert await client.result(invocation_id) == "rested"
    assert time.time() - before >= 1.5
    assert set(client.notes(label)) == {"asleep", "awake"}


async def test_an_awakeable_survives(
    served: Served, client: InvocationClient, label: str, kill_and_restart: Restart
) -> None:
    invocation_id = await client.send("/Signals/wait_for_awakeable", label)
    [name] = await client.noted(label)
    await kill_and_restart(served)
    await client.post(f"/restate/awakeables/{name}/resolve", "still here")
    assert await client.result(invocation_id) == "still here"
    assert set(client.notes(label)) == {name}


async def test_an_object_keeps_its_state_its_holder_and_its_queue(
    served: Served, client: InvocationClient, label: str, kill_and_restart: Restart
) -> None:
    path = f"/Queue/{label}"
    await client.call(f"{path}/remember", "before")
    holder = await client.send(f"{path}/hold", label)
    [name] = await client.noted(label)
    for n in range(5):
        await client.send(f"{path}/remember", n)
    await kill_and_restart(served)
    after = await client.send(f"{path}/remember", "after")
    assert await client.call(f"{path}/remembered") == ["before"]
    await client.post(f"/restate/awakeables/{name}/resolve", None)
    await client.attach(holder)
    await client.attach(after)
    assert await client.call(f"{path}/remembered") == ["before", *range(5), "after"]


async def test_a_workflow_waits_for_its_promise_across_it(
    served: Served, client: InvocationClient, label: str, kill_and_restart: Restart
) -> None:
    path = f"/Signup/{label}"
    invocation_id = await client.send(f"{path}/run", {"name": "Ada", "label": label})
    await client.noted(label)
    await kill_and_restart(served)
    assert await client.call(f"{path}/stored") == ["Ada", None, label]
    await client.call(f"{path}/click", "x")
    assert await client.result(invocation_id) == "Ada clicked x"
    assert (await client.post(f"{path}/run", {"name": "Eve", "label": label})).status_code == 409


async def test_a_caller_and_its_callee_go_on(
    served: Served, client: InvocationClient, label: str, kill_and_restart: Restart
) -> None:
    invocation_id = await client.send("/Calls/call_slow_steps", {"label": label, "count": 10, "step_ms": 40})
    await client.noted(label, 3)
    await kill_and_restart(served)
    assert await client.result(invocation_id) == list(range(10))


async def test_many_at_once_all_end_once(
    served: Served, client: InvocationClient, label: str, kill_and_restart: Restart
) -> None:
    ids = [
        await client.send("/Steps/slow_steps", {"label": f"{label}-{n}", "count": 5, "step_ms": 30})
        for n in range(20)
    ]
    await client.noted(f"{label}-0", 2)
    await kill_and_restart(served)
    for invocation_id in ids:
        assert await client.result(invocation_id) == list(range(5))


async def test_what_is_suspended_wakes_after_the_engine_was_killed(
    served: Served, client: InvocationClient, label: str
) -> None:
    """Nothing of it is in any process by then: a sleep, an awakeable, a promise, a call and a signal."""
    sleeping = await client.send("/WaitsReplayed/nap", 1200)
    asked = {"label": f"{label}-nap", "duration_ms": 1200}
    calling = await client.send("/Calls/attach_to", sleeping)
    napping = await client.send("/WaitsReplayed/nap_with_notes", asked)
    asking = await client.send("/SignalsReplayed/wait_for_awakeable", label)
    signup = f"/SignupReplayed/{label}"
    signing = await client.send(f"{signup}/run", {"name": "Ada", "label": f"{label}-signup"})
    waiting = await client.send("/SignalsReplayed/wait_for_signals", ["go"])
    for suspended in (sleeping, napping, asking, signing, waiting):
        await client.until_status(suspended, "suspended")
    await the_engine(served)

    [name] = set(client.notes(label))
    await client.post(f"/restate/awakeables/{name}/resolve", "yes")
    await client.call(f"{signup}/click", "x")
    await client.call("/SignalsReplayed/send_signal", {"id": waiting, "name": "go", "value": 7})
    assert await client.result(sleeping) >= 1.2
    assert await client.result(calling) >= 1.2
    results = [await client.result(each) for each in (napping, asking, signing, waiting)]
    assert results == ["rested", "yes", "Ada clicked x", [7]]


async def test_a_client_that_was_cut_off_asks_again_and_has_its_result(
    served: Served, client: InvocationClient, label: str
) -> None:
    asked = {"label": label, "count": 10, "step_ms": 50}

    async def ask() -> None:
        with pytest.raises(httpx2.TransportError):
            await client.post("/Steps/slow_steps", asked, idempotency_key=label)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await client.noted(label, 2)
        await the_engine(served)
    assert await client.call("/Steps/slow_steps", asked, idempotency_key=label) == list(range(10))
    assert len(client.notes(label)) <= 11


async def test_a_cancellation_survives(served: Served, client: InvocationClient, label: str) -> None:
    """The service is dead when it is asked for, and the engine dies before it could be heard."""
    invocation_id = await client.send("/Signals/wait_until_cancelled", label)
    await client.noted(label)
    served.endpoint.kill()
    assert (await client.act("cancel", invocation_id)).is_success
    await the_engine(served)
    await served.endpoint.start()
    assert (await client.attach(invocation_id)).status_code == 409
    assert {"waiting", "undone 409"} == set(client.notes(label))


async def test_what_is_accepted_without_a_service_runs_when_it_is_back(
    served: Served, client: InvocationClient, label: str
) -> None:
    served.endpoint.kill()
    invocation_id = await client.send("/Calls/append", label)
    await anyio.sleep(0.1)
    await the_engine(served)
    await served.endpoint.start()
    assert await client.result(invocation_id) == 1


async def test_a_delayed_invocation_starts_although_its_time_came_meanwhile(
    served: Served, client: InvocationClient, label: str
) -> None:
    invocation_id = (await client.post("/Calls/append/send?delay=300ms", label)).json()["invocationId"]
    served.engine.kill()
    await anyio.sleep(0.4)
    await served.engine.start()
    assert await client.result(invocation_id) == 1
    assert client.notes(label) == ["appended"]


async def test_results_and_idempotency_survive(served: Served, client: InvocationClient, label: str) -> None:
    first = await client.post("/Calls/append", label, idempotency_key=label)
    await the_engine(served)
    again = await client.post("/Calls/append", label, idempotency_key=label)
    assert (again.json(), client.notes(label)) == (1, ["appended"])
    assert await client.result(first.headers["x-restate-id"]) == 1


async def test_killed_again_and_again(served: Served, client: InvocationClient, label: str) -> None:
    asked = {"label": label, "count": 15, "step_ms": 30}
    invocation_id = await client.send("/Steps/slow_steps", asked)
    for round_, restart in enumerate([the_service, the_engine, the_service, both]):
        await client.noted(label, 2 + 2 * round_)
        await restart(served)

    async def ended() -> bool:
        return (await client.output(invocation_id)).status_code == 200

    await until(ended)
    assert len(client.notes(label)) <= 15 + 4
