"""What objects keep, who has them, and edits of their state, as either engine's admin API tells it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from engines import ENGINES, Engine, engine, running

from perdure.errors import RequestError
from perdure.inspection import objects, state
from perdure.inspection.admin_api import AdminApi

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90)]

ODD_KEYS = ["..", "a/b", "it's", 'say "hi"', "back\\slash", "% _", "ключ", "<b>"]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.restate if name == "restate-server" else ()) for name in ENGINES
    ],
)
async def shelves(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    target = str(Path(__file__).with_name("shelf.py"))
    async with running(engine(request.param, target, tmp_path_factory.mktemp(request.param))) as started:
        yield started


@pytest.fixture
async def api(shelves: Engine) -> AsyncIterator[AdminApi]:
    async with AdminApi(shelves.admin_url) as api:
        yield api


@pytest.fixture
async def ingress(shelves: Engine) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=shelves.ingress_url, timeout=30) as client:
        yield client


@pytest.fixture
def key() -> str:
    """A key that is this test's own."""
    return uuid.uuid4().hex


async def put(ingress: httpx2.AsyncClient, key: str, **entries: str) -> None:
    done = await ingress.post(f"/Shelf/{quote(key, safe='')}/put", json=entries)
    assert done.is_success, done.text


async def hold(ingress: httpx2.AsyncClient, api: AdminApi, key: str) -> str:
    """The invocation that has the object now."""
    sent = await ingress.post(f"/Shelf/{key}/hold/send")
    await until(lambda: _is_held(api, key))
    held: str = sent.json()["invocationId"]
    return held


async def _is_held(api: AdminApi, key: str) -> bool:
    return (await objects.use(api, "Shelf", key)).holder is not None


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 20
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_objects_are_listed_by_key_searched_and_paged(
    api: AdminApi, ingress: httpx2.AsyncClient, key: str
) -> None:
    for name in "abc":
        await put(ingress, f"{key}-{name}", one="1", two="22")
    first = await objects.objects(api, "Shelf", text=key, limit=2)
    second = await objects.objects(api, "Shelf", text=key, limit=2, after=first.next)
    assert [row.key for row in first.items] == [f"{key}-a", f"{key}-b"]
    assert [row.key for row in second.items] == [f"{key}-c"]
    assert second.next is None
    assert (second.items[0].entries, second.items[0].value_bytes) == (2, len('"1"') + len('"22"'))
    assert (await objects.totals(api))["Shelf"].objects >= 3


@pytest.mark.parametrize("odd", ODD_KEYS)
async def test_a_key_may_hold_anything(
    api: AdminApi, ingress: httpx2.AsyncClient, odd: str, key: str
) -> None:
    if odd != "..":  # which no client's URL can name: write it below
        await put(ingress, odd, name=key)
        assert (await state.entries(api, "Shelf", odd)).items[0].value == f'"{key}"'.encode()
        assert odd in [row.key for row in (await objects.objects(api, "Shelf", text=odd)).items]
    assert await state.write_entry(api, "Shelf", odd, odd, before=None, after=b"1")
    found = await state.entries_named(api, "Shelf", odd, [odd], value_bytes_max=10)
    assert found[odd].value == b"1"
    assert await state.write_entry(api, "Shelf", odd, odd, before=b"1", after=None)


async def test_entries_are_searched_and_paged_and_long_ones_stay_where_they_are(
    api: AdminApi, ingress: httpx2.AsyncClient, key: str
) -> None:
    await put(ingress, key, a="1", b="x" * 100, c="3", other="4")
    first = await state.entries(api, "Shelf", key, limit=2, value_bytes_max=50)
    assert [(entry.name, entry.value, entry.value_bytes) for entry in first.items] == [
        ("a", b'"1"', 3),
        ("b", None, 102),
    ]
    assert first.entries == 4
    rest = await state.entries(api, "Shelf", key, after=first.next)
    assert [entry.name for entry in rest.items] == ["c", "other"]
    found = await state.entries(api, "Shelf", key, text="the")
    assert ([entry.name for entry in found.items], found.entries) == (["other"], 1)


async def test_who_has_an_object_and_who_waits_for_it(
    api: AdminApi, ingress: httpx2.AsyncClient, key: str
) -> None:
    await put(ingress, key, a="1")
    free = await objects.use(api, "Shelf", key)
    assert (free.holder, free.waiting, free.waiting_count) == (None, [], 0)
    holder = await hold(ingress, api, key)
    waiting = (await ingress.post(f"/Shelf/{key}/hold/send")).json()["invocationId"]

    async def waits() -> bool:
        return (await objects.use(api, "Shelf", key)).waiting_count == 1

    await until(waits)
    used = await objects.use(api, "Shelf", key)
    assert used.holder is not None
    assert (used.holder.id, used.holder.target) == (holder, f"Shelf/{key}/hold")
    assert [caller.id for caller in used.waiting] == [waiting]
    (row,) = (await objects.objects(api, "Shelf", text=key)).items
    assert (row.holder, row.waiting) == (holder, 1)


async def test_promises_of_a_workflow(api: AdminApi, ingress: httpx2.AsyncClient, key: str) -> None:
    await ingress.post(f"/Flow/{key}/run/send")

    async def waits() -> bool:
        return len(await objects.promises(api, "Flow", key)) > 0

    await until(waits)
    confirmed = (await objects.promises(api, "Flow", key))[0]
    assert (confirmed.name, confirmed.is_completed, confirmed.value) == ("confirmed", True, b'"yes"')


async def test_an_edit_keeps_what_others_wrote_meanwhile(
    api: AdminApi, ingress: httpx2.AsyncClient, key: str
) -> None:
    await put(ingress, key, mine="1", other="2")
    before = (await state.state(api, "Shelf", key)).entries["mine"]
    await put(ingress, key, other="changed")
    assert await state.write_entry(api, "Shelf", key, "mine", before=before, after=b"\xff\x00")
    assert (await state.state(api, "Shelf", key)).entries == {"mine": b"\xff\x00", "other": b'"changed"'}


async def test_an_edit_of_what_has_changed_is_refused(
    api: AdminApi, ingress: httpx2.AsyncClient, key: str
) -> None:
    await put(ingress, key, mine="1")
    with pytest.raises(RequestError, match="'mine' has changed") as refused:
        await state.write_entry(api, "Shelf", key, "mine", before=b'"0"', after=b"2")
    assert refused.value.status == 409
    with pytest.raises(RequestError, match="'mine' has changed"):
        await state.write_entry(api, "Shelf", key, "mine", before=None, after=b"2")
    assert (await state.state(api, "Shelf", key)).entries == {"mine": b'"1"'}


async def test_what_an_invocation_has_is_not_edited(
    api: AdminApi, ingress: httpx2.AsyncClient, key: str
) -> None:
    await put(ingress, key, mine="1")
    await hold(ingress, api, key)
    version = (await state.state(api, "Shelf", key)).version
    with pytest.raises(RequestError, match="in use by invocation") as refused:
        await state.write_entry(api, "Shelf", key, "mine", before=b'"1"', after=b"2")
    assert refused.value.status == 409
    with pytest.raises(RequestError, match="in use by invocation"):
        await state.clear(api, "Shelf", key, version)


async def test_all_is_cleared_if_it_is_what_was_seen(
    api: AdminApi, ingress: httpx2.AsyncClient, key: str
) -> None:
    await put(ingress, key, a="1", b="2")
    seen = await state.state(api, "Shelf", key)
    await put(ingress, key, c="3")
    with pytest.raises(RequestError, match="has changed since"):
        await state.clear(api, "Shelf", key, seen.version)
    assert await state.clear(api, "Shelf", key, (await state.state(api, "Shelf", key)).version)
    assert (await state.state(api, "Shelf", key)).entries == {}


async def test_a_large_entry_is_read_and_written(
    api: AdminApi, ingress: httpx2.AsyncClient, key: str
) -> None:
    text = "x" * 400_000
    await put(ingress, key, large=text)
    now = await state.state(api, "Shelf", key)
    assert now.entries["large"].decode().strip('"') == text
    larger = now.entries["large"] + b" "
    assert await state.write_entry(api, "Shelf", key, "large", before=now.entries["large"], after=larger)
    assert (await state.state(api, "Shelf", key)).entries["large"] == larger
