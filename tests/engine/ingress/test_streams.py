"""Readers of streams, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from publishing_service import Publisher, Run
from sse import Received, events_of, read_all, reading

from perdure.engine.core.model import Status
from perdure.engine.ingress.streams import InvocationLog
from perdure.errors import RequestError
from perdure.protocol import ids

pytestmark = pytest.mark.anyio

UNKNOWN = ids.encode_invocation_id(bytes(24))


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
async def engine(start_engine, publisher) -> AsyncIterator[Any]:
    async with start_engine(*publisher.services) as engine:
        yield engine


async def started(engine: Any, publisher: Publisher) -> tuple[Run, str, str]:
    """(a run that waits for us, its invocation's id, the path of its stream)"""
    invocation_id = await engine.send("Publisher/run")
    return await publisher.runs.get(), invocation_id, f"/restate/invocation/{invocation_id}/stream"


def told(events: list[Received]) -> list[object]:
    """Ids and words."""
    return [(event.id, event.data.get("delta", event.type)) for event in events]


async def until(holds: Callable[[], object]) -> None:
    """Return as soon as it is so; nobody tells us when it is."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_a_reader_sees_events_before_during_and_after_the_run(engine, publisher) -> None:
    run, _, path = await started(engine, publisher)
    await run.publish("a", "b")
    async with reading(engine.ingress, path) as events:
        assert told([await anext(events), await anext(events)]) == [(0, "a"), (1, "b")]
        await run.publish("c")
        assert told([await anext(events)]) == [(2, "c")]
        run.finish("all said")
        end = await anext(events)
        assert [event async for event in events] == []
    assert (end.id, end.type) == (3, "end")
    assert end.data.items() >= {"status": "succeeded", "output": "all said"}.items()
    assert told(await read_all(engine.ingress, path)) == [(0, "a"), (1, "b"), (2, "c"), (3, "end")]


async def test_who_reads_comes_to_the_end_of_a_run_that_is_not_kept(engine, publisher) -> None:
    invocation_id = await engine.send("Publisher/fleeting")
    run = await publisher.runs.get()
    async with reading(engine.ingress, f"/restate/invocation/{invocation_id}/stream") as events:
        await run.publish("a")
        await anext(events)
        run.finish("all said")
        await asyncio.sleep(0.05)  # time in which it would be purged
        assert told([event async for event in events]) == [(1, "end")]
    output = f"/restate/invocation/{invocation_id}/output"
    async with asyncio.timeout(5):
        while (await engine.ingress.get(output)).status_code != 404:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_it_may_come_before_the_run_has_begun(engine, publisher) -> None:
    invocation_id = await engine.send("Publisher/run", delay="200ms")
    async with reading(engine.ingress, f"/restate/invocation/{invocation_id}/stream") as events:
        assert await engine.status(invocation_id) == Status.SCHEDULED
        run = await publisher.runs.get()
        await run.publish("a")
        assert told([await anext(events)]) == [(0, "a")]


async def test_it_may_break_off_after_every_event_and_come_back(engine, publisher) -> None:
    run, _, path = await started(engine, publisher)
    words = [f"w{n}" for n in range(20)]
    await run.publish(*words[:10])
    seen: list[Received] = []
    while not seen or seen[-1].type != "end":
        last_id = seen[-1].id if seen else None
        async with reading(engine.ingress, path, last_id) as events:
            seen.append(await anext(events))
        if len(seen) == 10:
            await run.publish(*words[10:])
            run.finish()
    assert told(seen) == [*enumerate(words), (20, "end")]


async def test_how_it_failed_is_told_at_the_end(engine, publisher) -> None:
    run, _, path = await started(engine, publisher)
    run.fail("not today")
    (end,) = await read_all(engine.ingress, path)
    assert end.data.items() >= {"status": "failed", "code": 422, "message": "not today"}.items()


async def test_a_killed_run_has_an_end_too(engine, publisher) -> None:
    run, invocation_id, path = await started(engine, publisher)
    await run.publish("a")
    async with reading(engine.ingress, path) as events:
        await anext(events)
        await engine.admin.patch(f"/invocations/{invocation_id}/kill")
        end = await anext(events)
    assert end.data.items() >= {"status": "failed", "code": 409, "message": "killed"}.items()


async def test_streams_of_one_invocation_are_apart_and_end_together(engine, publisher) -> None:
    run, _, path = await started(engine, publisher)
    await run.publish("a", stream="log")
    run.finish()
    assert told(await read_all(engine.ingress, path, stream="log")) == [(0, "a"), (1, "end")]
    assert told(await read_all(engine.ingress, path)) == [(0, "end")]


async def test_it_is_found_by_idempotency_key(engine, publisher) -> None:
    await engine.ingress.post("/Publisher/run/send", headers={"idempotency-key": "k1"})
    (await publisher.runs.get()).finish()
    assert told(await read_all(engine.ingress, "/restate/invocation/Publisher/run/k1/stream")) == [(0, "end")]


async def test_it_is_found_by_workflow(engine, publisher) -> None:
    await engine.ingress.post("/Flow/w1/run/send")
    (await publisher.runs.get()).finish()
    assert told(await read_all(engine.ingress, "/restate/workflow/Flow/w1/stream")) == [(0, "end")]


async def test_a_call_is_answered_with_its_stream(engine, publisher) -> None:
    headers = {"accept": "text/event-stream", "idempotency-key": "k1"}
    async with engine.ingress.stream("POST", "/Publisher/run", headers=headers) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        invocation_id = answer.headers["x-restate-id"]
        run = await publisher.runs.get()
        await run.publish("a")
        events = events_of(answer)
        assert told([await anext(events)]) == [(0, "a")]

    # It has left, and the run goes on. The same call finds it again.
    run.finish("nobody read this")
    async with engine.ingress.stream(
        "POST", "/Publisher/run", headers={**headers, "last-event-id": "0"}
    ) as answer:
        assert answer.headers["x-restate-id"] == invocation_id
        assert told([event async for event in events_of(answer)]) == [(1, "end")]
    assert publisher.runs.empty()


@pytest.mark.parametrize("query", ["from=x", "view=html"])
async def test_a_call_for_a_stream_that_makes_no_sense_runs_nothing(engine, publisher, query) -> None:
    answer = await engine.ingress.post(f"/Publisher/run?{query}", headers={"accept": "text/event-stream"})
    assert answer.status_code == 400
    assert (await engine.admin.get("/invocations")).json()["invocations"] == []


async def test_a_call_that_would_read_on_does_not_call_again(engine, publisher) -> None:
    headers = {"accept": "text/event-stream", "last-event-id": "3"}
    answer = await engine.ingress.get("/Publisher/run", headers=headers)
    assert answer.status_code == 400
    assert "idempotency-key" in answer.json()["message"]
    assert (await engine.admin.get("/invocations")).json()["invocations"] == []


async def test_text_for_people(engine, publisher) -> None:
    run, _, path = await started(engine, publisher)
    await run.publish("Hello ", "world")
    run.finish()
    answer = await engine.ingress.get(path, params={"view": "text"})
    assert (answer.text, answer.headers["content-type"]) == ("Hello world", "text/plain; charset=utf-8")


async def test_bad_input(engine, publisher) -> None:
    run, invocation_id, path = await started(engine, publisher)
    await run.publish("a", "b")

    past = await engine.ingress.get(path, params={"from": 3})
    assert (past.status_code, past.json()["events"]) == (416, 2)
    assert (await engine.ingress.get(path, headers={"last-event-id": "2"})).status_code == 416
    assert (await engine.ingress.get(path, params={"from": "x"})).status_code == 400
    assert (await engine.ingress.get("/restate/invocation/nonsense/stream")).status_code == 400
    assert (await engine.ingress.get(f"/restate/invocation/{UNKNOWN}/stream")).status_code == 404
    assert (await engine.ingress.get("/restate/workflow/Flow/nobody/stream")).status_code == 404
    assert (await engine.ingress.post(path)).status_code == 405
    run.finish()
    assert (await engine.attach(invocation_id)).status_code == 200

    assert told(await read_all(engine.ingress, path, from_=-1)) == [(2, "end")]
    assert told(await read_all(engine.ingress, path, from_=-99)) == [(0, "a"), (1, "b"), (2, "end")]
    assert (await engine.ingress.get(path, headers={"last-event-id": "2"})).status_code == 204
    purged = await engine.admin.patch(f"/invocations/{invocation_id}/purge")
    assert purged.status_code == 200
    assert (await engine.ingress.get(path)).status_code == 404
    assert engine.server.engine.store.streams.length(invocation_id, "default") == 0


async def test_a_restart_as_new_begins_with_empty_streams(engine, publisher) -> None:
    run, invocation_id, path = await started(engine, publisher)
    await run.publish("a")
    run.finish()
    await engine.attach(invocation_id)
    restarted = await engine.admin.patch(f"/invocations/{invocation_id}/restart-as-new")
    run = await publisher.runs.get()
    await run.publish("b")
    run.finish()
    new_path = f"/restate/invocation/{restarted.json()['new_invocation_id']}/stream"
    assert told(await read_all(engine.ingress, new_path)) == [(0, "b"), (1, "end")]
    assert told(await read_all(engine.ingress, path)) == [(0, "a"), (1, "end")]


async def test_a_reader_that_leaves_is_forgotten(engine, publisher) -> None:
    run, _, path = await started(engine, publisher)
    async with reading(engine.ingress, path):
        await until(lambda: engine.server.engine.requests._reading)
    await until(lambda: not engine.server.engine.requests._reading)
    await run.publish("it goes on")


async def test_when_the_engine_stops_the_stream_ends_without_an_end(start_engine) -> None:
    publisher = Publisher()
    async with start_engine(*publisher.services) as engine:
        run, _, path = await started(engine, publisher)
        await run.publish("a")
        async with reading(engine.ingress, path) as events:
            assert told([await anext(events)]) == [(0, "a")]
            stopping = asyncio.create_task(engine.server.__aexit__())
            assert [event async for event in events] == []
            await stopping

    again = Publisher()
    async with start_engine(*again.services) as engine, reading(engine.ingress, path, last_id=0) as events:
        run = await again.runs.get()
        await run.publish("a", "b")  # a replay publishes again, and goes on
        assert told([await anext(events)]) == [(1, "b")]


async def test_a_workflow_that_runs_again_under_its_key_is_another_stream(engine, publisher) -> None:
    """Whoever reads the first run's stream, and is slow, must not go on in the middle of the second's."""
    path = "/restate/workflow/Flow/w1/stream"
    sent = await engine.ingress.post("/Flow/w1/run/send")
    run = await publisher.runs.get()
    await run.publish("a")
    log = InvocationLog(engine.server.engine, sent.json()["invocationId"], "default")
    run.finish()
    assert len(await read_all(engine.ingress, path)) == 2
    await engine.admin.patch(f"/invocations/{sent.json()['invocationId']}/purge")
    with pytest.raises(RequestError, match="not found"):
        await log.read(1, 10)
    await engine.ingress.post("/Flow/w1/run/send")
    await (await publisher.runs.get()).publish("x", "y")
    with pytest.raises(RequestError, match="purged"):
        await log.read(1, 10)
