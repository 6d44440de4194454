"""Virtual objects: one exclusive handler a key at a time, in order of arrival, and state that lasts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import anyio
import pytest
from invocation_client import InvocationClient, until
from served_engine import Served

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


@pytest.fixture(params=["Eager", "Lazy"])
def memory(request: pytest.FixtureRequest, suffix: str, label: str) -> str:
    """The path of an object of its own, with state that is sent along, or asked for."""
    return f"/{request.param}{suffix}/{label}"


async def test_state_is_there_for_the_next_invocation(client: InvocationClient, memory: str) -> None:
    assert await client.call(f"{memory}/set", {"a": 1, "b": {"c": [None, "ü"]}}) == ["a", "b"]
    assert await client.call(f"{memory}/get", "a") == [1]
    assert await client.call(f"{memory}/get", "b") == [{"c": [None, "ü"]}]
    assert await client.call(f"{memory}/get", "unknown") == [None]


async def test_a_handler_sees_its_own_writes(client: InvocationClient, memory: str) -> None:
    await client.call(f"{memory}/set", {"a": "before"})
    assert await client.call(f"{memory}/change") == ["before", 1, None]
    assert await client.call(f"{memory}/keys") == ["b"]


async def test_clear_one_and_clear_all(client: InvocationClient, memory: str) -> None:
    await client.call(f"{memory}/set", {"a": 1, "b": 2, "c": 3})
    await client.call(f"{memory}/clear", "a")
    assert await client.call(f"{memory}/keys") == ["b", "c"]
    await client.call(f"{memory}/clear_all")
    assert await client.call(f"{memory}/keys") == []


async def test_keys_of_an_object_that_has_no_state(client: InvocationClient, memory: str) -> None:
    assert await client.call(f"{memory}/keys") == []


async def test_a_failed_attempt_does_not_write_twice(
    client: InvocationClient, memory: str, label: str
) -> None:
    assert await client.call(f"{memory}/set_then_fail", label) == 1
    assert await client.call(f"{memory}/get", "count") == [1]


async def test_what_was_written_before_a_terminal_error_stays(client: InvocationClient, memory: str) -> None:
    assert (await client.post(f"{memory}/set_then_refuse")).status_code == 400
    assert await client.call(f"{memory}/get", "count") == [7]


async def test_fifty_increments_at_once_count_to_fifty(client: InvocationClient, memory: str) -> None:
    counts: list[int] = []

    async def increment() -> None:
        counts.append(await client.call(f"{memory}/increment"))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(increment)
    assert sorted(counts) == list(range(1, 51))


async def test_more_state_than_is_sent_along(client: InvocationClient, memory: str) -> None:
    asked = {"count": 30, "bytes": 100_000}
    assert await client.call(f"{memory}/fill", asked) == 100_000
    assert await client.call(f"{memory}/size") == 3_000_000
    assert await client.call(f"{memory}/get", "value 29") == ["x" * 100_000]


async def test_one_large_value(client: InvocationClient, memory: str) -> None:
    assert await client.call(f"{memory}/fill", {"count": 1, "bytes": 3_000_000}) == 3_000_000
    assert await client.call(f"{memory}/size") == 3_000_000


@pytest.mark.parametrize("key", ["with space", "a/b", "ünï✓", "%41", "a+b", "?x=1#y"])
async def test_any_text_is_a_key(client: InvocationClient, label: str, key: str) -> None:
    path = f"/Eager/{quote(key + label, safe='')}"
    assert await client.call(f"{path}/my_key") == key + label
    await client.call(f"{path}/increment")
    assert await client.call(f"{path}/increment") == 2


async def test_keys_do_not_share_state(client: InvocationClient, label: str) -> None:
    await client.call(f"/Eager/{label}/set", {"a": 1})
    assert await client.call(f"/Eager/{label}-other/keys") == []
    assert await client.call(f"/Lazy/{label}/keys") == []


async def test_those_who_wait_run_in_order_of_arrival(
    client: InvocationClient, label: str, suffix: str
) -> None:
    """The object is held, so that all of them arrive before the first of them may run."""
    path = f"/Queue{suffix}/{label}"
    holder = await client.send(f"{path}/hold", label)
    [name] = await client.noted(label)
    for n in range(10):
        await client.send(f"{path}/remember", n)
    assert await client.call(f"{path}/remembered") == []
    await client.post(f"/restate/awakeables/{name}/resolve", "go")
    assert await client.result(holder) == "go"
    last = await client.send(f"{path}/remember", "last")
    await client.attach(last)
    assert await client.call(f"{path}/remembered") == [*range(10), "last"]


async def test_one_at_a_time_a_key(client: InvocationClient, label: str, suffix: str) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(client.call, f"/Queue{suffix}/{label}/enter_and_leave", label)
    assert client.notes(label) == ["enter", "leave"] * 8


async def test_other_keys_run_meanwhile(client: InvocationClient, label: str, suffix: str) -> None:
    await client.send(f"/Queue{suffix}/{label}/hold", label)
    [name] = await client.noted(label)
    await client.call(f"/Queue{suffix}/{label}-other/remember", "here")
    assert await client.call(f"/Queue{suffix}/{label}-other/remembered") == ["here"]
    await client.post(f"/restate/awakeables/{name}/resolve", None)


async def test_a_shared_handler_reads_beside_an_exclusive_one(
    client: InvocationClient, label: str, suffix: str
) -> None:
    await client.send(f"/Queue{suffix}/{label}/hold", label)
    [name] = await client.noted(label)
    assert await client.call(f"/Queue{suffix}/{label}/held") is True
    await client.post(f"/restate/awakeables/{name}/resolve", None)


async def test_an_object_calls_another_key(client: InvocationClient, label: str, suffix: str) -> None:
    answer = await client.call(f"/Queue{suffix}/{label}/call_other_key", f"{label}-other")
    assert answer == [f"from {label}"]


async def test_cancelling_one_who_waits_lets_the_rest_go_on(
    client: InvocationClient, served: Served, label: str
) -> None:
    """restate-server forgets what never ran; ours keeps the outcome for those who ask later."""
    path = f"/Queue/{label}"
    await client.send(f"{path}/hold", label)
    [name] = await client.noted(label)
    first = await client.send(f"{path}/remember", "first")
    second = await client.send(f"{path}/remember", "second")
    assert (await client.act("cancel", first)).is_success
    assert (await client.attach(first)).status_code == (409 if served.name == "embedded" else 404)
    await client.post(f"/restate/awakeables/{name}/resolve", None)
    assert (await client.attach(second)).status_code == 200
    assert await client.call(f"{path}/remembered") == ["second"]


async def test_killing_the_holder_lets_the_next_one_in(client: InvocationClient, label: str) -> None:
    path = f"/Queue/{label}"
    holder = await client.send(f"{path}/hold", label)
    await client.noted(label)
    await client.send(f"{path}/remember", "next")
    assert (await client.act("kill", holder)).is_success

    async def next_ran() -> Any:
        return await client.call(f"{path}/remembered") == ["next"]

    await until(next_ran)


async def test_a_delayed_one_does_not_hold_the_object(client: InvocationClient, label: str) -> None:
    path = f"/Queue/{label}"
    later = await client.post(f"{path}/remember/send?delay=400ms", "later")
    await client.call(f"{path}/remember", "now")
    await client.attach(later.json()["invocationId"])
    assert await client.call(f"{path}/remembered") == ["now", "later"]
