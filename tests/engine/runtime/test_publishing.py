"""An attempt is told where it publishes, and what it publishes is in the invocation's streams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import restate

from perdure.streams import sink as sinks
from perdure.streams.append import Batch, Gap
from perdure.streams.events import RUN, NewEvent
from perdure.streams.sink import AttemptOver, Sink

pytestmark = pytest.mark.anyio

Work = Callable[[Sink], Awaitable[object]]


class Publisher:
    """A service whose handler hands its sink to a test. `headers` has what each attempt was told."""

    def __init__(self, work: Work) -> None:
        self.service = restate.Service("Publisher")
        self.service.handler()(self.publish)
        self.headers: list[str] = []
        self._work = work

    async def publish(self, ctx: restate.Context) -> str:
        self.headers.append(ctx.request().attempt_headers[sinks.HEADER])
        sink = sinks.local(self.headers[-1])
        assert sink is not None
        return str(await self._work(sink))


def words(*said: str, offset: int = 0) -> Batch:
    return Batch(RUN, (), offset, tuple(NewEvent.of("text", {"delta": word}) for word in said))


async def test_what_a_handler_publishes_is_in_the_stream_when_it_goes_on(start_engine) -> None:
    lengths: list[int] = []

    async def work(sink: Sink) -> int:
        await sink.append("default", words("a", "b"))
        (invocation,) = engine.server.engine.store.invocations.newest(1, None, None)
        lengths.append(engine.server.engine.store.streams.length(invocation.id, "default"))
        return sink.attempt

    async with start_engine(Publisher(work).service) as engine:
        assert (await engine.call("Publisher/publish")).json() == "1"
    assert lengths == [2]


async def test_a_gap_is_told_with_what_the_stream_has(start_engine) -> None:
    async def work(sink: Sink) -> int:
        await sink.append("default", words("a"))
        with pytest.raises(Gap) as gap:
            await sink.append("default", words("c", offset=2))
        return gap.value.count

    async with start_engine(Publisher(work).service) as engine:
        assert (await engine.call("Publisher/publish")).json() == "1"


async def test_each_attempt_has_a_sink_of_its_own_which_ends_with_it(start_engine) -> None:
    seen: list[Sink] = []

    async def work(sink: Sink) -> str:
        seen.append(sink)
        if len(seen) == 1:
            raise RuntimeError("the first attempt fails")
        with pytest.raises(AttemptOver):
            await seen[0].append("default", words("too late"))
        await sink.append("default", words("in time"))
        return "done"

    publisher = Publisher(work)
    async with start_engine(publisher.service) as engine:
        assert (await engine.call("Publisher/publish")).json() == "done"
        with pytest.raises(AttemptOver):
            await seen[1].append("default", words("after the end"))

    assert [sink.attempt for sink in seen] == [1, 2]
    assert len(set(publisher.headers)) == 2
    assert [sinks.local(header) for header in publisher.headers] == [None, None]


async def test_an_attempt_that_is_cut_with_the_engine_publishes_no_more(start_engine) -> None:
    seen: asyncio.Queue[Sink] = asyncio.Queue()

    async def work(sink: Sink) -> None:
        seen.put_nowait(sink)
        await asyncio.Event().wait()

    async with start_engine(Publisher(work).service) as engine:
        await engine.send("Publisher/publish")
        sink = await seen.get()
    with pytest.raises(AttemptOver):
        await sink.append("default", words("too late"))
