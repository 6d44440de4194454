"""A client follows streams of a real engine, over a network that breaks."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from cutting_proxy import CuttingProxy
from publishing_service import Publisher, Run, text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from perdure.client import (
    Backoff,
    ByIdempotencyKey,
    Client,
    ConnectionLost,
    InvocationFailed,
    RequestError,
    SendHandle,
    StreamEvent,
    StreamGap,
    WorkflowRun,
)
from perdure.engine.http_server import HttpServer, bind
from perdure.errors import ClientError
from perdure.protocol import ids
from perdure.streams.append import Batch
from perdure.testing import harness

pytestmark = pytest.mark.anyio

SOON = Backoff(first_ms=1, max_ms=20, give_up_after_s=5)
UNKNOWN = ids.encode_invocation_id(bytes(24))


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
async def ingress(publisher: Publisher) -> AsyncIterator[str]:
    async with harness(*publisher.services, ports=True, skip_time=False) as h:
        yield h.ingress_url


async def started(client: Client, publisher: Publisher, **options: Any) -> tuple[Run, SendHandle]:
    sent = await client.send("Publisher/run", **options)
    return await publisher.runs.get(), sent


async def ended(client: Client, publisher: Publisher, *words: str) -> SendHandle:
    run, sent = await started(client, publisher)
    await run.publish(*words)
    run.finish("".join(words))
    await client.attach(sent)
    return sent


def told(events: list[StreamEvent]) -> list[object]:
    """Indexes and words."""
    return [(event.index, event.data.get("delta", event.type)) for event in events]


async def read(events: AsyncIterator[StreamEvent]) -> list[StreamEvent]:
    return [event async for event in events]


async def test_events_come_while_the_handler_runs_and_it_ends_after_end(
    client: Client, publisher: Publisher
) -> None:
    run, sent = await started(client, publisher)
    events = client.stream(sent)
    for index, word in enumerate(["Ein", " schöner", " Tag 🌍"]):
        await run.publish(word)
        event = await anext(events)
        assert (event.index, event.type, event.data, event.source) == (index, "text", {"delta": word}, "run")
    run.finish("bye")
    end = await anext(events)
    assert (end.index, end.data) == (3, {"status": "succeeded", "output": "bye"})
    assert await read(events) == []


async def test_a_stream_is_read_from_anywhere(client: Client, publisher: Publisher) -> None:
    sent = await ended(client, publisher, "a", "b", "c")
    whole = [(0, "a"), (1, "b"), (2, "c"), (3, "end")]
    for from_index in range(-6, 5):
        events = await read(client.stream(sent, from_index=from_index))
        assert told(events) == whole[from_index:]
    with pytest.raises(RequestError, match="4 events") as refused:
        await read(client.stream(sent, from_index=5))
    assert refused.value.status == 416


async def test_a_stream_is_named_by_id_key_or_workflow(client: Client, publisher: Publisher) -> None:
    run, sent = await started(client, publisher, idempotency_key="k/1")
    run.finish()
    workflow = await client.send("Flow/run", key="a b", workflow=True)
    (await publisher.runs.get()).finish()
    for reference in (sent, sent.id, ByIdempotencyKey("Publisher/run", "k/1"), WorkflowRun("Flow", "a b")):
        assert told(await read(client.stream(reference))) == [(0, "end")]
    assert workflow.is_new


async def test_streams_of_other_names_are_apart(client: Client, publisher: Publisher) -> None:
    run, sent = await started(client, publisher)
    await run.publish("log line", stream="log")
    run.finish()
    assert told(await read(client.stream(sent, stream="log"))) == [(0, "log line"), (1, "end")]
    assert told(await read(client.stream(sent))) == [(0, "end")]


async def test_an_unknown_invocation_is_told(client: Client) -> None:
    with pytest.raises(RequestError) as refused:
        await read(client.stream(UNKNOWN))
    assert refused.value.status == 404


async def test_wherever_the_network_breaks_each_event_comes_once(
    proxy: CuttingProxy, client: Client, publisher: Publisher
) -> None:
    sent = await ended(client, publisher, "Ein", " Tag 🌍", "\n\ndata: x\r\n")
    whole = await read(client.stream(sent))
    assert len(whole) == 4
    async with Client(proxy.url, backoff=SOON, headers={"connection": "close"}) as cut_client:
        for n in itertools.count():
            proxy.cuts, cut_before = [n], proxy.was_cut
            assert await read(cut_client.stream(sent)) == whole, f"cut after {n} bytes"
            if proxy.was_cut == cut_before:
                break
    assert proxy.was_cut > 400


async def test_a_network_that_breaks_again_and_again_is_read_through(
    proxy: CuttingProxy, client: Client, publisher: Publisher
) -> None:
    sent = await ended(client, publisher, *(str(n) for n in range(50)))
    whole = await read(client.stream(sent))
    proxy.cuts = [450] * 60  # the head of an answer, and an event or two
    async with Client(proxy.url, backoff=SOON) as cut_client:
        assert await read(cut_client.stream(sent)) == whole
    assert proxy.connections > 20


async def test_a_reader_that_is_cut_before_its_first_event_still_gets_the_last_n(
    proxy: CuttingProxy, client: Client, publisher: Publisher
) -> None:
    sent = await ended(client, publisher, "a", "b", "c")
    proxy.cuts = [100]
    async with Client(proxy.url, backoff=SOON) as cut_client:
        assert told(await read(cut_client.stream(sent, from_index=-2))) == [(2, "c"), (3, "end")]


async def test_a_reader_that_leaves_ends_nothing(client: Client, publisher: Publisher) -> None:
    run, sent = await started(client, publisher)
    await run.publish("a")
    async with aclosing(client.stream(sent)) as events:
        assert told([await anext(events)]) == [(0, "a")]
    run.finish("done")
    assert await client.attach(sent) == "done"


async def test_where_the_engine_is_gone_for_good_a_reader_gives_up(publisher: Publisher) -> None:
    brief = Backoff(first_ms=10, max_ms=10, give_up_after_s=0.2)
    async with harness(*publisher.services, ports=True, skip_time=False) as h:
        client = Client(h.ingress_url, backoff=brief)
        run, sent = await started(client, publisher)
        await run.publish("a")
        events = client.stream(sent)
        assert told([await anext(events)]) == [(0, "a")]
    async with client:
        with pytest.raises(ConnectionLost, match=r"for 0\.2 s"):
            await anext(events)


# ---- text


async def asked_again(run: Run, first: list[str], then: list[str]) -> None:
    """A step publishes, dies before its record, and is made again."""
    await run.sink.append("default", Batch("s1", (1, 0), 0, text(*first)))
    await run.sink.append("default", Batch("s1", (2, 0), 0, text(*then)))


async def test_text_that_is_superseded_is_taken_back(client: Client, publisher: Publisher) -> None:
    run, sent = await started(client, publisher)
    await run.publish("> ")
    await asked_again(run, ["It is", " rain"], ["It is", " sunny"])
    run.finish()
    said, seen = "", []
    async for change in client.text_changes(sent):
        said = change.apply(said)
        seen.append(said)
    assert seen == ["> ", "> It is", "> It is rain", "> ", "> It is", "> It is sunny"]
    assert await client.text(sent) == "It is sunny", "the last message: that of the step"


async def test_text_of_a_run_that_fails_ends_with_its_error(client: Client, publisher: Publisher) -> None:
    run, sent = await started(client, publisher)
    await run.publish("half")
    run.fail("no quota")
    changes = client.text_changes(sent)
    assert (await anext(changes)).added == "half"
    with pytest.raises(InvocationFailed, match="no quota") as failed:
        await anext(changes)
    assert failed.value.code == 422


# ---- servers that do not keep to the contract


@pytest.fixture
async def odd_server() -> AsyncIterator[Client]:
    """Answers with what is asked for: `/restate/invocation/gap/stream`, or `.../page/stream`."""
    frames = ['id: 0\nevent: text\ndata: {"delta":"a","source":"run","at":1}\n\n']
    frames.append(frames[0].replace("id: 0", "id: 2"))

    async def stream(request: Request) -> Response:
        if request.path_params["kind"] == "gap":
            return Response("".join(frames), media_type="text/event-stream")
        return Response("<html>welcome", media_type="text/html")

    app = Starlette(routes=[Route("/restate/invocation/{kind}/stream", stream)])
    async with HttpServer(app, bind("127.0.0.1:0", "--test")) as server, Client(server.url) as client:
        yield client


async def test_an_event_that_is_left_out_is_an_error(odd_server: Client) -> None:
    events = odd_server.stream("gap")
    assert (await anext(events)).index == 0
    with pytest.raises(StreamGap, match="event 2 came where 1 is next"):
        await anext(events)


async def test_a_page_that_is_no_stream_is_an_error(odd_server: Client) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(ClientError, match="no stream"):
            await read(odd_server.stream("page"))
