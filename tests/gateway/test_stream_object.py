"""The virtual object that keeps streams, on an engine that replays it at every await."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from perdure.gateway.stream_object import NAME, StreamObject
from perdure.streams.append import Batch, Gap, SourceState, append
from perdure.streams.events import NewEvent
from perdure.testing import harness

pytestmark = pytest.mark.anyio

KEY = "inv_1x/default"


class Object:
    """One stream's object. `over` is what it hears of its invocation."""

    def __init__(self, retention: timedelta = timedelta(hours=24)) -> None:
        self.over = False
        self.asked = 0
        self.grew: list[str] = []
        self.served = StreamObject(retention, self._is_over, self.grew.append)
        self.harness: Any = None

    async def _is_over(self, invocation_id: str) -> bool:
        assert invocation_id == "inv_1x"
        self.asked += 1
        return self.over

    async def post(self, handler: str, body: object = None) -> tuple[int, Any]:
        path = f"/{NAME}/{quote(KEY, safe='')}/{handler}"
        response = await self.harness.ingress.post(path, **({} if body is None else {"json": body}))
        return response.status_code, response.json() if response.content else None

    async def append(self, source: str, attempt: list[int], offset: int, *types: str) -> tuple[int, Any]:
        events = [{"type": each, "payload": json.dumps({"of": each})} for each in types]
        return await self.post(
            "append", {"source": source, "attempt": attempt, "offset": offset, "events": events}
        )

    async def rows(self, start: int = 0, count: int = 10_000) -> list[tuple[str, str]]:
        status, page = await self.post("read", {"start": start, "count": count})
        assert status == 200
        return [(kind, source) for kind, _, source, _ in page["rows"]]

    def state(self) -> dict[str, Any]:
        stored = self.harness.engine.store.states.all(NAME, KEY)
        return {name.decode(): json.loads(value) for name, value in stored.items()}


@pytest.fixture
async def stream() -> AsyncIterator[Object]:
    stream = Object()
    async with harness(stream.served.service, always_replay=True, skip_time=False) as h:
        stream.harness = h
        yield stream


async def test_what_is_appended_can_be_read(stream: Object) -> None:
    assert await stream.append("run", [], 0, "a", "b") == (200, {"count": 2})
    assert await stream.append("run", [], 2, "c") == (200, {"count": 3})
    assert await stream.rows() == [("a", "run"), ("b", "run"), ("c", "run")]
    assert await stream.rows(1, 1) == [("b", "run")]
    assert await stream.rows(3) == []
    assert set(stream.grew) == {KEY}


async def test_a_batch_that_comes_twice_counts_once(stream: Object) -> None:
    await stream.append("run", [], 0, "a", "b")
    assert await stream.append("run", [], 0, "a", "b") == (200, {"count": 2})
    assert await stream.append("run", [], 1, "b", "c") == (200, {"count": 3})
    assert await stream.rows() == [("a", "run"), ("b", "run"), ("c", "run")]


async def test_a_gap_is_refused_with_what_is_there(stream: Object) -> None:
    await stream.append("run", [], 0, "a")
    status, told = await stream.append("run", [], 2, "c")
    assert (status, told["message"]) == (409, "1")
    assert await stream.rows() == [("a", "run")]


async def test_attempts_count_in_the_order_in_which_they_are_first_heard_of(stream: Object) -> None:
    await stream.append("s1", [900, 1], 0, "a", "b")
    await stream.append("s1", [17, 1], 0, "A")
    assert await stream.append("s1", [900, 1], 2, "too late") == (200, {"count": 1})
    await stream.append("s1", [17, 2], 0, "again")
    assert await stream.rows() == [
        ("a", "s1"),
        ("b", "s1"),
        ("attempt", "s1"),
        ("A", "s1"),
        ("attempt", "s1"),
        ("again", "s1"),
    ]


async def test_an_empty_batch_withdraws_what_a_try_published(stream: Object) -> None:
    await stream.append("s1", [5, 1], 0, "a")
    assert await stream.append("s1", [5, 2], 0) == (200, {"count": 0})
    assert await stream.rows() == [("a", "s1"), ("attempt", "s1")]


async def test_a_sealed_stream_takes_no_more(stream: Object) -> None:
    stream.over = True
    await stream.append("run", [], 0, "a")
    status, sealed = await stream.post("seal")
    assert (status, sealed["length"]) == (200, 1)
    assert (await stream.append("run", [], 1, "b"))[0] == 410
    assert await stream.post("seal") == (200, sealed), "and when it ended stays the same"
    assert await stream.rows() == [("a", "run")]


async def test_an_invocation_that_was_purged_and_came_again_begins_a_stream_anew(stream: Object) -> None:
    await stream.append("run", [], 0, "a", "b")
    await stream.post("seal")
    stream.over = False
    assert await stream.append("run", [], 0, "x") == (200, {"count": 1})
    assert await stream.rows() == [("x", "run")]


async def test_it_follows_the_rule_whatever_comes(stream: Object) -> None:
    """Random batches, against the rule itself; enough of them for several blocks."""
    chance = random.Random(5)
    events: list[tuple[str, str]] = []
    states: dict[str, SourceState] = {}
    heard: list[int] = []
    for _ in range(40):
        source = chance.choice(["run", "s1", "s2"])
        attempt_id, trial = chance.randint(0, 3), chance.randint(1, 2)
        number = heard.index(attempt_id) if attempt_id in heard else len(heard)
        known = states.get(source)
        offset = chance.randint(0, known.count + 1 if known else 1)
        types = [f"t{chance.randint(0, 99)}" for _ in range(chance.randint(0, 40))]
        attempt = () if source == "run" else (number, trial)
        batch = Batch(source, attempt, offset, tuple(NewEvent(t, json.dumps({"of": t})) for t in types))
        posted = await stream.append(source, [attempt_id, trial] if attempt else [], offset, *types)
        try:
            added, states[source] = append(len(events), known, batch, 0)
        except Gap as error:
            gap = error.count
        else:
            gap = None
        if gap is not None:
            assert (posted[0], posted[1]["message"]) == (409, str(gap))
            continue
        events += [(event.type, event.source) for event in added]
        if attempt and number == len(heard):
            heard.append(attempt_id)
        assert posted == (200, {"count": states[source].count})
    assert len(events) > 128
    assert await stream.rows() == events
    for start in range(0, len(events), 7):
        assert await stream.rows(start, 10) == events[start : start + 10]


async def test_events_lie_in_blocks_of_a_limited_size(stream: Object) -> None:
    for n in range(0, 200, 20):
        await stream.append("run", [], n, *["t"] * 20)
    state = stream.state()
    blocks = [len(state[f"events {first}"]["rows"]) for first in state["head"]["blocks"]]
    assert blocks == [64, 64, 64, 8]
    large = {"type": "t", "payload": json.dumps({"of": "x" * 40_000})}
    body = {"source": "run", "attempt": [], "offset": 200, "events": [large, large]}
    assert (await stream.post("append", body))[0] == 200
    assert stream.state()["head"]["blocks"] == [0, 64, 128, 192, 201]


async def test_a_batch_that_is_none_is_refused(stream: Object) -> None:
    status, _ = await stream.post("append", {"source": "run"})
    assert status == 400
    assert stream.state() == {}


async def test_it_is_forgotten_when_its_invocation_is_over() -> None:
    stream = Object(retention=timedelta(milliseconds=30))
    async with harness(stream.served.service, always_replay=True, skip_time=False) as h:
        stream.harness = h
        await stream.append("run", [], 0, "a")
        while stream.asked < 3:  # noqa: ASYNC110 - it asks by itself
            await asyncio.sleep(0.01)
        assert await stream.rows() == [("a", "run")], "an invocation may wait longer than that"
        stream.over = True
        async with asyncio.timeout(10):
            while stream.state():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await stream.rows() == []


async def test_it_can_be_forgotten_by_hand(stream: Object) -> None:
    await stream.append("run", [], 0, "a")
    assert (await stream.post("clear"))[0] == 200
    assert stream.state() == {}
