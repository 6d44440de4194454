"""Where events go that leave the process, and what answers mean. tests/contract has both real engines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import anyio
import pytest
from free_port import free_port
from journal_server import serve
from restate.context import Request

from perdure import publish
from perdure.durable import sinks, step
from perdure.durable.sinks import EngineSink, RestateSink, sink_of
from perdure.streams.append import Batch, Gap
from perdure.streams.events import NewEvent
from perdure.streams.sink import HEADER, AttemptOver

pytestmark = pytest.mark.anyio

BATCH = Batch("s1", (7, 2), 3, (NewEvent.of("text", {"delta": 'größe "x"'}),))
POSTED = {
    "source": "s1",
    "attempt": [7, 2],
    "offset": 3,
    "events": [{"type": "text", "payload": '{"delta":"größe \\"x\\""}'}],
}


class Receiver:
    """An HTTP server that answers as it is told, and keeps what it is sent."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.answers: list[tuple[int, Any]] = []
        self.requests: list[tuple[str, dict[str, str], Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message["body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.requests.append((scope["raw_path"].decode(), headers, json.loads(body)))
        status, answer = self.answers.pop(0) if self.answers else (200, {"count": 1})
        head = {"type": "http.response.start", "status": status, "headers": []}
        await send(head)
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    import uvicorn

    port = free_port()
    receiver = Receiver(port)
    server = uvicorn.Server(uvicorn.Config(receiver, port=port, log_level="warning", lifespan="off"))
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve)
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await anyio.sleep(0.01)
        yield receiver
        server.should_exit = server.force_exit = True  # it may be silent for ever


async def test_an_engine_elsewhere_is_posted_to_with_the_token_of_the_attempt() -> None:
    async with receiving() as receiver:
        sink = EngineSink(f"{receiver.url}/restate/streams/inv_1x/7;secret")
        assert sink.attempt == 7
        receiver.answers = [(204, None)]
        await sink.append("progress", BATCH)
    [(path, headers, body)] = receiver.requests
    assert path == "/restate/streams/inv_1x/7"
    assert headers["authorization"] == "Bearer secret"
    assert body == {"stream": "progress", **POSTED}


async def test_on_restate_server_the_virtual_object_of_the_stream_is_called() -> None:
    async with receiving() as receiver:
        sink = RestateSink(f"{receiver.url}/", "inv_1x")
        await sink.append("progress", BATCH)
    [(path, _headers, body)] = receiver.requests
    assert unquote(path) == "/perdure.Stream/inv_1x/progress/append"
    assert path.count("/") == 3  # the key is one segment
    assert body == POSTED


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (409, {"count": 5, "message": "5"}, Gap),
        (404, {}, AttemptOver),
        (410, {}, AttemptOver),
        (429, {}, ConnectionError),
        (500, {}, ConnectionError),
        (503, {}, ConnectionError),
        (400, {"message": "bad"}, RuntimeError),
        (401, {}, RuntimeError),
        (413, {}, RuntimeError),
    ],
)
async def test_what_the_answers_mean(status: int, answer: Any, error: type[Exception]) -> None:
    async with receiving() as receiver:
        header = f"{receiver.url}/restate/streams/inv_1x/7;secret"
        for sink in (EngineSink(header), RestateSink(receiver.url, "inv_1x")):
            receiver.answers = [(status, answer)]
            with pytest.raises(error) as raised:
                await sink.append("default", BATCH)
            if isinstance(raised.value, Gap):
                assert raised.value.count == 5


async def test_no_answer_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConnectionError):
        await EngineSink(f"http://127.0.0.1:{free_port()}/x/7;secret").append("default", BATCH)

    async with receiving() as receiver:

        async def never(*_args: Any) -> None:
            await anyio.sleep_forever()

        monkeypatch.setattr(sinks, "_ANSWER_S_MAX", 0.05)
        monkeypatch.setattr(Receiver, "__call__", never)
        with pytest.raises(ConnectionError, match="no answer"):
            await RestateSink(receiver.url, "inv_1x").append("default", BATCH)


async def test_attempts_on_restate_server_have_ids_of_their_own() -> None:
    ids = {RestateSink("http://x", "inv_1x").attempt for _ in range(100)}
    assert len(ids) == 100
    assert all(0 <= one < 2**53 for one in ids)


async def test_the_header_of_the_engine_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def request(headers: dict[str, str]) -> Request:
        return Request("inv_1x", {}, headers, b"", None, None, None, None)  # type: ignore[arg-type]

    monkeypatch.setenv("PERDURE_STREAMS", "http://restate:8080")
    assert isinstance(sink_of(request({})), RestateSink)
    assert isinstance(sink_of(request({HEADER: "http://engine/x/1;t"})), EngineSink)
    assert sink_of(request({HEADER: "local:of an attempt that is over"})) is None
    monkeypatch.delenv("PERDURE_STREAMS")
    assert sink_of(request({})) is None


async def test_a_run_publishes_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """And an answer that is no answer, and one that is an error of the server, are asked for again."""

    async def main() -> None:
        publish("begun", {})
        await step("speak", lambda: publish("text", {"delta": "x"}))
        publish("ended", {})

    async with receiving() as receiver:
        monkeypatch.setenv("PERDURE_STREAMS", receiver.url)
        receiver.answers = [(500, {}), (503, {})]
        await serve(main, patience_s=5).run()
    taken = [body for _, _, body in receiver.requests[2:]]
    assert [(body["source"], body["offset"], len(body["events"])) for body in taken] == [
        ("run", 0, 1),
        ("s1", 0, 1),
        ("run", 1, 1),
    ]
    assert [body["attempt"] for body in taken if body["source"] == "run"] == [[], []]
