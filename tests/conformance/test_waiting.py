"""Sleeps, and waiting for several things: each live, and with a replay at every await."""

from __future__ import annotations

import time

import pytest
from invocation_client import InvocationClient

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


@pytest.mark.parametrize("duration_ms", [0, 1, 250])
async def test_a_sleep_lasts_so_long(client: InvocationClient, suffix: str, duration_ms: int) -> None:
    lasted_s = await client.call(f"/Waits{suffix}/nap", duration_ms)
    assert duration_ms / 1000 <= lasted_s < duration_ms / 1000 + 5


async def test_sleeps_at_once_last_as_long_as_one(client: InvocationClient, suffix: str) -> None:
    assert 0.2 <= await client.call(f"/Waits{suffix}/sleeps_together", 20) < 2


async def test_the_first_of_several(client: InvocationClient, suffix: str) -> None:
    assert await client.call(f"/Waits{suffix}/first_of", {"slow": 60_000, "quick": 30}) == "quick"


async def test_each_in_the_order_of_completion(client: InvocationClient, suffix: str) -> None:
    naps_ms = [400, 10, 200]
    assert await client.call(f"/Waits{suffix}/in_order_of_completion", naps_ms) == [10, 200, 400]


async def test_what_has_completed_and_what_has_not(client: InvocationClient, suffix: str) -> None:
    assert await client.call(f"/Waits{suffix}/completed_and_not", [10, 60_000, 60_000]) == [1, 2]


async def test_an_answer_before_its_timeout(client: InvocationClient, label: str, suffix: str) -> None:
    asked = {"label": label, "timeout_ms": 60_000}
    invocation_id = await client.send(f"/Waits{suffix}/answer_or_timeout", asked)
    [name] = await client.noted(label)
    await client.post(f"/restate/awakeables/{name}/resolve", "yes")
    assert await client.result(invocation_id) == ["answer", "yes"]


async def test_a_timeout_before_the_answer(client: InvocationClient, label: str, suffix: str) -> None:
    asked = {"label": label, "timeout_ms": 50}
    assert await client.call(f"/Waits{suffix}/answer_or_timeout", asked) == ["timeout", None]


async def test_an_answer_after_its_timeout_is_accepted_and_changes_nothing(
    client: InvocationClient, label: str
) -> None:
    asked = {"label": label, "timeout_ms": 20}
    assert await client.call("/Waits/answer_or_timeout", asked) == ["timeout", None]
    late = await client.post(f"/restate/awakeables/{client.notes(label)[0]}/resolve", "yes")
    assert late.status_code == 202


@pytest.mark.parametrize(("naps_ms", "winner"), [([5, 10_000], "call"), ([2_000, 5], "sleep")])
async def test_a_call_against_a_sleep(
    client: InvocationClient, suffix: str, naps_ms: list[int], winner: str
) -> None:
    assert await client.call(f"/Waits{suffix}/call_or_sleep", naps_ms) == [winner, "ran"]


async def test_a_run_a_call_a_sleep_and_an_awakeable_at_once(
    client: InvocationClient, label: str, suffix: str
) -> None:
    assert await client.call(f"/Waits{suffix}/all_kinds", label) == [1, "hello Ada", None, "yes"]
    assert client.notes(label) == ["run"]


async def test_a_delayed_invocation_starts_then(client: InvocationClient, label: str) -> None:
    before = time.time()
    response = await client.post("/Calls/append/send?delay=300ms", label)
    invocation_id = response.json()["invocationId"]
    assert client.notes(label) == []
    assert await client.result(invocation_id) == 1
    assert time.time() - before >= 0.3
