"""One contract for streams over HTTP: the embedded engine's ingress, and `perdure gateway` before a
restate-server. Real processes, real HTTP, real SIGKILLs."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx2
import pytest
from engines import ENGINES, EngineName, running
from sse import Received, events_of, read_all, reading
from streaming_engine import StreamingEngine

from perdure.streams.assemble import current
from perdure.streams.events import StreamEvent

SERVICE = str(Path(__file__).with_name("talking_service.py"))
WORDS = ["In ", "the ", "beginning ", "was ", "größe", "\n"]
SAID = "".join(WORDS)
TYPES = ["began", "model_call", *["text"] * len(WORDS), "message", "end"]
UNKNOWN = "inv_1" + "0" * 33

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.restate if name == "restate-server" else ()) for name in ENGINES
    ],
)
async def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StreamingEngine]:
    name: EngineName = request.param
    async with running(StreamingEngine(name, SERVICE, tmp_path_factory.mktemp(name))) as engine:
        yield engine


@pytest.fixture(scope="module")
async def client(engine: StreamingEngine) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=engine.url, timeout=30) as client:
        yield client


@pytest.fixture
def label() -> str:
    return uuid.uuid4().hex


class Hold:
    """The model waits behind its word `n`, until it is let go."""

    def __init__(self, engine: StreamingEngine, label: str, n: int) -> None:
        self._path = engine.holds / f"{label}.{n}"
        self._path.touch()

    def let_go(self) -> None:
        self._path.unlink()


async def send(client: httpx2.AsyncClient, label: str, query: str = "", **headers: str) -> str:
    """The path of the stream of a new invocation."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = await client.post(f"/Talk/say/send{query}", json={"label": label, "words": WORDS}, headers=named)
    assert sent.status_code == 202, sent.text
    return f"/restate/invocation/{sent.json()['invocationId']}/stream"


async def finished(client: httpx2.AsyncClient, label: str, **headers: str) -> str:
    """The same, of one that has completed."""
    path = await send(client, label, **headers)
    assert (await client.get(path.replace("/stream", "/attach"))).json() == SAID
    return path


def types(events: list[Received]) -> list[str]:
    return [event.type for event in events]


def text(events: list[Received]) -> str:
    """What a reader makes of all of it at the end."""
    stored = [StreamEvent(e.id, e.type, json.dumps(e.data), e.data["source"], e.data["at"]) for e in events]
    return "".join(json.loads(e.payload)["delta"] for e in current(stored) if e.type == "text")


def assert_whole(events: list[Received]) -> None:
    """No index twice, none missing, and the text is the output."""
    assert [event.id for event in events] == list(range(len(events)))
    assert events[-1].type == "end"
    assert events[-1].data.items() >= {"status": "succeeded", "output": SAID}.items()
    assert text(events) == SAID


async def test_a_run_is_read_from_its_first_event_to_its_end(client: httpx2.AsyncClient, label: str) -> None:
    events = await read_all(client, await send(client, label))
    assert types(events) == TYPES
    assert_whole(events)
    assert events[0].data.items() >= {"label": label, "source": "run"}.items()
    assert isinstance(events[0].data["at"], int)


async def test_events_come_while_the_model_speaks(
    engine: StreamingEngine, client: httpx2.AsyncClient, label: str
) -> None:
    holds = [Hold(engine, label, n) for n in range(len(WORDS))]
    async with reading(client, await send(client, label)) as events:
        seen = [await anext(events), await anext(events)]
        for hold in holds:
            seen.append(await anext(events))
            hold.let_go()
        seen += [event async for event in events]
    assert types(seen) == TYPES
    assert_whole(seen)


async def test_every_reader_sees_the_same_whenever_it_comes(
    engine: StreamingEngine, client: httpx2.AsyncClient, label: str
) -> None:
    hold = Hold(engine, label, 2)
    path = await send(client, label, "?delay=300ms")
    seen: list[list[Received]] = []

    async def read() -> None:
        seen.append(await read_all(client, path))

    async with anyio.create_task_group() as readers:
        readers.start_soon(read)  # before the run has begun
        async with reading(client, path) as events:
            for _ in range(5):
                await anext(events)
        for _ in range(3):
            readers.start_soon(read)
        hold.let_go()
    await read()
    assert len(seen) == 5
    assert all(events == seen[0] for events in seen)
    assert_whole(seen[0])


async def test_a_reader_may_break_off_at_every_index(client: httpx2.AsyncClient, label: str) -> None:
    path = await send(client, label)
    seen: list[Received] = []
    while not seen or seen[-1].type != "end":
        async with reading(client, path, seen[-1].id if seen else None) as events:
            seen.append(await anext(events))
    assert seen == await read_all(client, path)
    for index, event in enumerate(seen):
        async with reading(client, path, from_=index) as events:
            assert await anext(events) == event
    assert_whole(seen)


async def test_where_reading_begins(client: httpx2.AsyncClient, label: str) -> None:
    path = await finished(client, label)
    whole = await read_all(client, path)
    count = len(TYPES)
    assert await read_all(client, path, from_=count - 1) == whole[-1:]
    assert await read_all(client, path, from_=-3) == whole[-3:]
    assert await read_all(client, path, from_=-count - 5) == whole
    assert await read_all(client, path, last_id=1, from_=0) == whole[2:], "Last-Event-ID wins"


async def test_bad_cursors(client: httpx2.AsyncClient, label: str) -> None:
    path = await finished(client, label)
    count = len(TYPES)
    assert (await client.get(path, headers={"last-event-id": str(count - 1)})).status_code == 204
    past = await client.get(path, params={"from": count + 1})
    assert (past.status_code, past.json()["code"], past.json()["events"]) == (416, 416, count)
    for query in ("from=x", "view=html"):
        bad = await client.get(f"{path}?{query}")
        assert (bad.status_code, bad.json()["code"]) == (400, 400)
    assert (await client.get(path, headers={"last-event-id": "x"})).status_code == 400
    assert (await client.post(path)).status_code == 405


async def test_a_cursor_past_the_end_of_a_run_that_goes_on(
    engine: StreamingEngine, client: httpx2.AsyncClient, label: str
) -> None:
    hold = Hold(engine, label, 0)
    path = await send(client, label)
    async with reading(client, path) as events:
        for _ in range(3):
            await anext(events)
        past = await client.get(path, params={"from": 4})
        assert (past.status_code, past.json()["events"]) == (416, 3)
        async with reading(client, path, from_=3) as next_events:
            hold.let_go()
            assert (await anext(next_events)).id == 3


async def test_text_for_people(client: httpx2.AsyncClient, label: str) -> None:
    answer = await client.get(await send(client, label), params={"view": "text"})
    assert answer.text == SAID
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_streams_of_other_names_are_apart_and_end_too(client: httpx2.AsyncClient, label: str) -> None:
    path = await finished(client, label)
    assert types(await read_all(client, path, stream="log")) == ["line", "end"]
    assert types(await read_all(client, path, stream="nothing")) == ["end"]


async def test_found_by_idempotency_key_and_by_workflow(client: httpx2.AsyncClient, label: str) -> None:
    path = await finished(client, label, idempotency_key=f"k/{label}")
    by_key = await read_all(client, f"/restate/invocation/Talk/say/k%2F{label}/stream")
    assert by_key == await read_all(client, path)

    body = {"label": label, "words": WORDS}
    await client.post(f"/Talks/{label}/run/send", json=body)
    assert_whole(await read_all(client, f"/restate/workflow/Talks/{label}/stream"))


async def test_a_call_answers_with_its_stream_and_goes_on_without_its_reader(
    engine: StreamingEngine, client: httpx2.AsyncClient, label: str
) -> None:
    hold = Hold(engine, label, 1)
    body = {"label": label, "words": WORDS}
    headers = {"accept": "text/event-stream", "idempotency-key": label}
    async with client.stream("POST", "/Talk/say", json=body, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        invocation_id = answer.headers["x-restate-id"]
        assert (await anext(events_of(answer))).type == "began"
    hold.let_go()
    again = {**headers, "last-event-id": "0"}
    async with client.stream("POST", "/Talk/say", json=body, headers=again) as answer:
        assert answer.headers["x-restate-id"] == invocation_id
        assert types([event async for event in events_of(answer)]) == TYPES[1:]
    assert_whole(await read_all(client, f"/restate/invocation/{invocation_id}/stream"))


async def test_a_call_that_would_call_again_is_refused(client: httpx2.AsyncClient, label: str) -> None:
    headers = {"accept": "text/event-stream", "last-event-id": "3"}
    answer = await client.post("/Talk/say", json={"label": label, "words": WORDS}, headers=headers)
    assert answer.status_code == 400
    assert "idempotency-key" in answer.json()["message"]


async def test_a_run_that_fails_has_an_end(client: httpx2.AsyncClient) -> None:
    async with client.stream("POST", "/Talk/refuse", headers={"accept": "text/event-stream"}) as answer:
        (end,) = [event async for event in events_of(answer)]
    assert end.data.items() >= {"status": "failed", "code": 422, "message": "not today"}.items()


async def test_unknown_and_purged(engine: StreamingEngine, client: httpx2.AsyncClient, label: str) -> None:
    for path in (f"invocation/{UNKNOWN}", f"invocation/Talk/say/{label}", f"workflow/Talks/{label}"):
        answer = await client.get(f"/restate/{path}/stream")
        assert (answer.status_code, answer.json()["code"]) == (404, 404), path
    assert (await client.get("/restate/invocation/nonsense/stream")).status_code == 400

    path = await finished(client, label)
    assert_whole(await read_all(client, path))
    async with httpx2.AsyncClient(base_url=engine.admin_url, timeout=30) as admin:
        purged = await admin.patch(f"/invocations/{path.split('/')[3]}/purge")
        assert purged.is_success
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, 404)


async def test_no_service_of_that_name(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/Nobody/say", json="x", headers={"accept": "text/event-stream"})
    assert (answer.status_code, answer.json()["code"]) == (404, 404)


async def test_all_else_is_the_engines_ingress(client: httpx2.AsyncClient, label: str) -> None:
    body = {"label": label, "words": WORDS}
    called = await client.post("/Talk/say", json=body, headers={"idempotency-key": label})
    assert (called.status_code, called.json()) == (200, SAID)
    assert called.headers["x-restate-id"].startswith("inv_1")
    output = await client.get(f"/restate/invocation/Talk/say/{label}/output")
    assert output.json() == SAID
    assert "Talk" in (await client.get("/restate/health")).json()["services"]
    failed = await client.post("/Talk/refuse")
    assert (failed.status_code, failed.json()["message"]) == (422, "not today")
    assert failed.headers["x-restate-error-source"] == "invocation"


async def test_handlers_are_killed_at_every_word(
    engine: StreamingEngine, client: httpx2.AsyncClient, label: str
) -> None:
    """The model is asked again, and says it all again: readers see which words those replace."""
    holds = [Hold(engine, label, n) for n in range(len(WORDS))]
    async with reading(client, await send(client, label)) as events:
        seen = [await anext(events)]
        for n, hold in enumerate(holds):
            while text(seen) != "".join(WORDS[: n + 1]):
                seen.append(await anext(events))
            engine.endpoint.kill()
            hold.let_go()
            await engine.endpoint.start()
        seen += [event async for event in events]
    assert_whole(seen)
    assert types(seen).count("attempt") == len(WORDS)
    assert types(seen)[-2:] == ["message", "end"]
