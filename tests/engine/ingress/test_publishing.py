"""What a handler in another process may post to the streams of its attempt, and what it may not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from service_endpoint import ServiceEndpoint
from sse import read_all

from perdure.protocol import ids

pytestmark = pytest.mark.anyio

CODE = """
import json
import os
import pathlib

import restate

from perdure.streams.sink import HEADER

remote = restate.Service("Remote")

@remote.handler()
async def wait(ctx: restate.Context) -> str:
    name, answer = ctx.awakeable(type_hint=str)
    told = pathlib.Path(os.environ["TOLD"])
    told.with_suffix(".part").write_text(json.dumps([name, ctx.request().attempt_headers[HEADER]]))
    told.with_suffix(".part").rename(told)
    return await answer

app = restate.app([remote])
"""


class RemoteAttempt:
    """An attempt in another process, which waits; we post in its name."""

    def __init__(self, engine: Any, invocation_id: str, awakeable: str, header: str) -> None:
        self.invocation_id = invocation_id
        self.url, _, self.token = header.partition(";")
        self.client = engine.ingress
        self._engine = engine
        self._awakeable = awakeable

    async def post(self, *words: str, url: str = "", token: str = "", **changed: Any) -> Any:
        events = [{"type": "text", "payload": json.dumps({"delta": word})} for word in words]
        body = {"stream": "default", "source": "run", "attempt": [], "offset": 0, "events": events, **changed}
        headers = {"authorization": f"Bearer {token or self.token}"}
        return await self._engine.ingress.post(url or self.url, json=body, headers=headers)

    async def end(self) -> None:
        await self._engine.ingress.post(f"/restate/awakeables/{self._awakeable}/resolve", json="done")
        assert (await self._engine.attach(self.invocation_id)).json() == "done"

    async def words(self) -> list[str]:
        path = f"/restate/invocation/{self.invocation_id}/stream"
        return [event.data.get("delta", event.type) for event in await read_all(self._engine.ingress, path)]


@pytest.fixture
async def attempt(start_engine, tmp_path: Path) -> AsyncIterator[RemoteAttempt]:
    (tmp_path / "remote.py").write_text(CODE)
    told = tmp_path / "told"
    endpoint = ServiceEndpoint(str(tmp_path / "remote.py"), tmp_path, env={"TOLD": str(told)})
    try:
        await endpoint.start()
        async with start_engine(request_bytes_max=10_000) as engine:
            registered = await engine.admin.post("/deployments", json={"uri": endpoint.url})
            assert registered.status_code == 201, registered.text
            invocation_id = await engine.send("Remote/wait")
            async with asyncio.timeout(10):
                while not told.exists():  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.01)
            yield RemoteAttempt(engine, invocation_id, *json.loads(told.read_text()))
    finally:
        endpoint.kill()


async def test_it_is_told_where_and_its_events_are_in_the_stream(attempt: RemoteAttempt) -> None:
    assert (await attempt.post("a", "b")).status_code == 204
    assert (await attempt.post("b", "c", offset=1)).status_code == 204
    await attempt.end()
    assert await attempt.words() == ["a", "b", "c", "end"]


async def test_a_gap_is_told_with_what_has_come(attempt: RemoteAttempt) -> None:
    await attempt.post("a")
    refused = await attempt.post("c", offset=2)
    assert (refused.status_code, refused.json()["count"]) == (409, 1)


async def test_the_token_is_needed(attempt: RemoteAttempt) -> None:
    assert (await attempt.post("a", token="guessed")).status_code == 401
    assert (await attempt.client.post(attempt.url, json={})).status_code == 401
    await attempt.end()
    assert await attempt.words() == ["end"]


async def test_an_attempt_that_is_over_publishes_no_more(attempt: RemoteAttempt) -> None:
    other = attempt.url.removesuffix("/1") + "/7"
    assert (await attempt.post("a", url=other)).status_code == 410
    await attempt.end()
    assert (await attempt.post("a")).status_code == 410


async def test_an_invocation_that_there_is_not(attempt: RemoteAttempt) -> None:
    unknown = ids.encode_invocation_id(bytes(24))
    assert (await attempt.post("a", url=f"/restate/streams/{unknown}/1")).status_code == 404
    assert (await attempt.post("a", url="/restate/streams/nonsense/1")).status_code == 400
    assert (await attempt.post("a", url=attempt.url + "x")).status_code == 400


def _publication(**changed: Any) -> bytes:
    return json.dumps({"source": "run", "attempt": [], "offset": 0, "events": [], **changed}).encode()


def _one(kind: str, payload: str) -> bytes:
    return _publication(events=[{"type": kind, "payload": payload}])


NONSENSE = [
    b"nonsense",
    b"[]",
    _publication(offset=-1),
    _publication(offset=2**64),
    _publication(stream=""),
    _one("text", "[]"),
    _one("text", "nonsense"),
    _one("text", '{"a": NaN}'),
    _one("two words", "{}"),
    _one("end", "{}"),
]


async def test_what_is_no_publication(attempt: RemoteAttempt) -> None:
    headers = {"authorization": f"Bearer {attempt.token}"}
    for body in NONSENSE:
        refused = await attempt.client.post(attempt.url, content=body, headers=headers)
        assert refused.status_code == 400, body
        assert "bad body" in refused.json()["message"]
    await attempt.end()
    assert await attempt.words() == ["end"]


async def test_too_much_at_once(attempt: RemoteAttempt) -> None:
    assert (await attempt.post("a" * 20_000)).status_code == 413
