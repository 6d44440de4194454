"""Runs: side effects whose results are journaled, once each."""

from __future__ import annotations

import pytest
from invocation_client import InvocationClient

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


async def test_runs_one_after_another(client: InvocationClient, label: str, suffix: str) -> None:
    assert await client.call(f"/Steps{suffix}/in_order", {"label": label, "count": 10}) == [1] * 10
    assert client.notes(label) == [str(n) for n in range(10)]


async def test_runs_at_once(client: InvocationClient, label: str, suffix: str) -> None:
    assert await client.call(f"/Steps{suffix}/together", {"label": label, "count": 10}) == [1] * 10
    assert sorted(client.notes(label), key=int) == [str(n) for n in range(10)]


async def test_a_journal_of_three_hundred_runs(client: InvocationClient, label: str) -> None:
    assert await client.call("/Steps/in_order", {"label": label, "count": 300}) == [1] * 300


async def test_each_kind_of_value_survives_the_journal(client: InvocationClient, suffix: str) -> None:
    given = [None, True, 1.5, "ünï ✓", {"a": [1, {"b": None}]}, []]
    assert await client.call(f"/Steps{suffix}/values") == given


@pytest.mark.parametrize("size", [100_000, 2_000_000])
async def test_a_large_result(client: InvocationClient, suffix: str, size: int) -> None:
    assert await client.call(f"/Steps{suffix}/large", size) == size


async def test_a_terminal_error_of_a_run_is_recorded(
    client: InvocationClient, label: str, suffix: str
) -> None:
    assert await client.call(f"/Steps{suffix}/refused", label) == "422 no seats"
    assert client.notes(label) == ["ran"]


async def test_a_failing_run_is_tried_again(client: InvocationClient, label: str, suffix: str) -> None:
    assert await client.call(f"/Steps{suffix}/tried_again", label) == 3
    assert client.notes(label) == ["ran"] * 3


async def test_a_run_is_given_up_after_its_last_try(
    client: InvocationClient, label: str, suffix: str
) -> None:
    code, message = await client.call(f"/Steps{suffix}/given_up", label)
    assert code == 500
    assert "reset" in message
    assert client.notes(label) == ["ran"] * 3
