"""A reader of a stream over HTTP, whichever engine keeps it. The log is the test's, the HTTP is real ASGI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perdure.errors import RequestError
from perdure.stream_answers import answer
from perdure.streams.end import failed, succeeded
from perdure.streams.events import StreamEvent

pytestmark = pytest.mark.anyio
AT_MS = 1_700_000_000_000


class WrittenLog:
    """A `Log` that the test writes."""

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []
        self._grown = asyncio.Event()

    def publish(self, kind: str, source: str = "run", /, **data: Any) -> None:
        self.add(StreamEvent(len(self.events), kind, json.dumps(data), source, AT_MS))

    def add(self, event: StreamEvent) -> None:
        self.events.append(event)
        self._grown.set()
        self._grown = asyncio.Event()

    async def extent(self) -> tuple[int, bool]:
        return len(self.events), bool(self.events) and self.events[-1].type == "end"

    async def read(self, start: int, count: int) -> list[StreamEvent]:
        return self.events[start : start + count]

    async def grown(self, index: int) -> None:
        while len(self.events) <= index:
            await self._grown.wait()


async def told(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return JSONResponse({"code": error.status, "message": error.message}, error.status)


@pytest.fixture
def log() -> WrittenLog:
    return WrittenLog()


@pytest.fixture
async def client(log: WrittenLog) -> AsyncIterator[httpx2.AsyncClient]:
    async def read(request: Request) -> Response:
        return await answer.stream_answer(request, "inv_1x", log)

    app = Starlette(routes=[Route("/stream", read)], exception_handlers={RequestError: told})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
        yield client


def finished(log: WrittenLog, words: int = 5) -> None:
    for n in range(words):
        log.publish("text", "s1", delta=f"w{n} ")
    log.add(succeeded(words, b'"done"', AT_MS))


def ids(text: str) -> list[int]:
    return [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]


async def test_a_frame_has_index_type_and_payload(client: httpx2.AsyncClient, log: WrittenLog) -> None:
    log.publish("tool_call", agent="a", name="größe\n")
    log.add(succeeded(1, b'{"answer": 42}', AT_MS))
    response = await client.get("/stream")
    retry, first, last, rest = response.text.split("\n\n")
    assert retry == "retry: 250"
    assert first.splitlines() == [
        "id: 0",
        "event: tool_call",
        f'data: {{"agent":"a","name":"größe\\n","source":"run","at":{AT_MS}}}',
    ]
    assert json.loads(last.split("data: ")[1]) == {
        "status": "succeeded",
        "output": {"answer": 42},
        "source": "run",
        "at": AT_MS,
    }
    assert rest == ""
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-restate-id"] == "inv_1x"


@pytest.mark.parametrize(
    ("query", "last_event_id", "expected"),
    [
        ("", None, [0, 1, 2, 3, 4, 5]),
        ("from=0", None, [0, 1, 2, 3, 4, 5]),
        ("from=4", None, [4, 5]),
        ("from=-2", None, [4, 5]),
        ("from=-99", None, [0, 1, 2, 3, 4, 5]),
        ("", "2", [3, 4, 5]),
        ("from=0", "4", [5]),
    ],
)
async def test_a_reader_begins_where_it_says(
    client: httpx2.AsyncClient, log: WrittenLog, query: str, last_event_id: str | None, expected: list[int]
) -> None:
    finished(log)
    headers = {"last-event-id": last_event_id} if last_event_id else {}
    assert ids((await client.get(f"/stream?{query}", headers=headers)).text) == expected


async def test_a_reader_that_has_it_all_is_told_to_stay_away(
    client: httpx2.AsyncClient, log: WrittenLog
) -> None:
    finished(log)
    assert (await client.get("/stream", headers={"last-event-id": "5"})).status_code == 204
    assert (await client.get("/stream?from=6")).status_code == 204
    assert (await client.get("/stream?from=6&view=text")).status_code == 204


@pytest.mark.parametrize("headers", [{}, {"last-event-id": "6"}])
async def test_a_cursor_past_the_end(
    client: httpx2.AsyncClient, log: WrittenLog, headers: dict[str, str]
) -> None:
    finished(log)
    response = await client.get("/stream?from=7", headers=headers)
    assert (response.status_code, response.json()["code"], response.json()["events"]) == (416, 416, 6)
    assert response.json()["message"] == "there is no event 7: the stream has 6 events, counted from 0"


@pytest.mark.parametrize(
    ("query", "headers", "named"),
    [
        ("from=x", {}, "from 'x'"),
        ("", {"last-event-id": "abc"}, "Last-Event-ID 'abc'"),
        ("", {"last-event-id": "-3"}, "Last-Event-ID '-3'"),
        ("view=html", {}, "view 'html'"),
    ],
)
async def test_a_request_that_makes_no_sense(
    client: httpx2.AsyncClient, query: str, headers: dict[str, str], named: str
) -> None:
    response = await client.get(f"/stream?{query}", headers=headers)
    assert response.status_code == 400
    assert named in response.json()["message"]


async def test_a_reader_before_the_run_waits_and_is_kept_alive(
    log: WrittenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "KEEP_ALIVE_S", 0.01)
    chunks = answer._server_sent(log, 0)
    assert [await anext(chunks) for _ in range(3)] == [b"retry: 250\n\n", *[b": keep-alive\n\n"] * 2]
    log.publish("text", "s1", delta="a")
    log.add(failed(1, 500, "no", AT_MS))
    rest = b"".join([chunk async for chunk in chunks if not chunk.startswith(b":")]).decode()
    assert ids(rest) == [0, 1]
    assert '"status":"failed","code":500,"message":"no"' in rest


async def test_text_for_people(client: httpx2.AsyncClient, log: WrittenLog) -> None:
    finished(log)
    response = await client.get("/stream?view=text")
    assert response.text == "w0 w1 w2 w3 w4 "
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert (await client.get("/stream?view=text&from=3")).text == "w3 w4 "


async def test_text_that_begins_late_knows_what_was_said_before(
    client: httpx2.AsyncClient, log: WrittenLog
) -> None:
    log.publish("text", "s1", delta="Hello ")
    log.publish("attempt", "s1", source="s1", **{"from": 0})
    log.publish("text", "s1", delta="Hello world")
    log.add(succeeded(3, b"", AT_MS))
    assert (await client.get("/stream?view=text&from=1")).text == "world"


@pytest.mark.parametrize(
    ("output", "value"),
    [
        (b"", None),
        (b'"a"', "a"),
        (b"plain", "plain"),
        (b"[1]", [1]),
        (b"[NaN]", "[NaN]"),
        (b"[" * 100_000, "[" * 100_000),
    ],
    ids=["void", "JSON", "text", "array", "not quite JSON", "nested too deeply"],
)
def test_an_output_of_any_kind_has_its_place_in_the_end(output: bytes, value: object) -> None:
    assert json.loads(succeeded(0, output, 0).payload) == {"status": "succeeded", "output": value}


def test_an_output_that_is_no_text_is_given_whole() -> None:
    told = json.loads(succeeded(0, b"\xff\x00", 0).payload)
    assert told == {"status": "succeeded", "output": "/wA=", "encoding": "base64"}
