"""What a reader was shown stays true: no event is shown before it is on disk, and an index that was given out
means the same for ever, wherever the engine dies."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import httpx2
import pytest
import speaker
from embedded_engine import EmbeddedEngine
from engines import running
from sse import Received, read_all, reading

from perdure.engine.runtime import processor
from perdure.engine.storage.connection import FILE_NAME
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.streams.assemble import current
from perdure.streams.events import StreamEvent

pytestmark = pytest.mark.anyio

KEY = {"idempotency-key": "one"}
STREAM = "/restate/invocation/Speaker/speak/one/stream"


def assert_consistent(events: list[Received]) -> None:
    """Each index once, in order; and what counts of the words is the answer."""
    assert [event.id for event in events] == list(range(len(events)))
    *told, end = events
    assert end.type == "end"
    assert end.data["status"] == "succeeded"
    counts = current(StreamEvent(e.id, e.type, _payload(e), e.data["source"], e.data["at"]) for e in told)
    assert "".join(_delta(e) for e in counts if e.type == "text") == end.data["output"]
    messages = [e.data["text"] for e in told if e.type == "message"]
    assert "".join(messages) == end.data["output"]


def _payload(event: Received) -> str:
    return json.dumps(event.data)


def _delta(event: StreamEvent) -> str:
    return str(json.loads(event.payload)["delta"])


async def test_every_commit_is_a_place_to_read_on_from(
    start_engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = await _snapshots_with_what_was_shown(start_engine, tmp_path, monkeypatch)
    assert len(snapshots) > speaker.TURNS * (speaker.WORDS + 2)

    for snapshot, stored, shown in snapshots:
        assert shown == stored[: len(shown)], f"{snapshot.name}: shown before it was on disk"
        async with start_engine(speaker.speaker, data_dir=snapshot) as engine:
            everything = await read_all(engine.ingress, STREAM)
            assert_consistent(everything)
            assert everything[: len(stored)] == stored, snapshot.name
            if stored:
                assert await read_all(engine.ingress, STREAM, stored[-1].id) == everything[len(stored) :]


async def _snapshots_with_what_was_shown(
    start_engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Path, list[Received], list[Received]]]:
    """(the file after each commit, the events in it, those that a reader had before the next commit)"""
    snapshots: list[tuple[Path, list[Received], list[Received]]] = []
    shown: list[Received] = []
    transact = SqliteStore.transact

    def transact_and_copy(store: SqliteStore, work) -> None:
        if snapshots:
            snapshots[-1] = (*snapshots[-1][:2], list(shown))
        transact(store, work)
        copy = tmp_path / f"after-commit-{len(snapshots)}"
        copy.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / "live" / f"{FILE_NAME}{suffix}", copy / f"{FILE_NAME}{suffix}")
        (invocation,) = store.invocations.newest(1, None, None)
        events = store.streams.read(invocation.id, "default", 0, 1000)
        snapshots.append((copy, [_received(event) for event in events], []))

    async with start_engine(speaker.speaker, data_dir=tmp_path / "live") as engine:
        with monkeypatch.context() as patch:
            patch.setattr(SqliteStore, "transact", transact_and_copy)
            patch.setattr(processor, "BATCH_INPUTS_MAX", 1)  # as many commits as there can be
            await engine.ingress.post("/Speaker/speak/send", headers=KEY)
            async with reading(engine.ingress, STREAM) as events:
                async for event in events:
                    shown.append(event)  # noqa: PERF401 - one by one: who copies the file looks at it
    snapshots[-1] = (*snapshots[-1][:2], shown[:-1])  # all but the end, which is never stored
    return snapshots


def _received(event: StreamEvent) -> Received:
    data = json.loads(event.payload) | {"source": event.source, "at": event.published_at_ms}
    return Received(event.index, event.type, data)


@pytest.mark.crash
@pytest.mark.timeout(120)
async def test_a_reader_who_comes_back_at_every_index_while_the_run_dies_at_any_word(tmp_path: Path) -> None:
    die_at = tmp_path / "die-at"
    paths = [str(Path(speaker.__file__).parent), os.environ.get("PYTHONPATH", "")]
    env = {"DIE_AT": str(die_at), "PYTHONPATH": os.pathsep.join(paths)}
    for word in range(1, speaker.TURNS * speaker.WORDS + 1):
        directory = tmp_path / f"{word}"
        directory.mkdir()
        die_at.write_text(str(word))
        service = EmbeddedEngine(speaker.__file__, directory, env=env)
        async with running(service), httpx2.AsyncClient(base_url=service.ingress_url) as client:
            await client.post("/Speaker/speak/send", headers=KEY)
            seen = await _read_breaking_off_at_every_event(service, client)
        assert not die_at.exists(), "nobody died"
        assert_consistent(seen)
        said_again = [event for event in seen if event.type == "attempt"]
        assert len(said_again) == (0 if (word - 1) % speaker.WORDS == 0 else 1)


async def _read_breaking_off_at_every_event(
    service: EmbeddedEngine, client: httpx2.AsyncClient
) -> list[Received]:
    seen: list[Received] = []
    while not seen or seen[-1].type != "end":
        try:
            async with reading(client, STREAM, seen[-1].id if seen else None) as events:
                seen.append(await anext(events))
        except httpx2.TransportError:
            if not service.process.alive:
                await service.restart()
    return seen
