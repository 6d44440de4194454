"""The streams of one invocation in memory, kept by the rule of `perdure.streams`, under control of a test."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from perdure.streams.append import Batch, SourceState, append
from perdure.streams.assemble import current
from perdure.streams.events import StreamEvent
from perdure.streams.sink import AttemptOver


class StreamLog:
    def __init__(self) -> None:
        self.streams: dict[str, list[StreamEvent]] = defaultdict(list)
        self.batches: list[Batch] = []  # all that came, also those that added nothing
        self.attempt = 0
        self._sources: dict[tuple[str, str], SourceState] = {}
        self.on_append: Callable[[Batch], Awaitable[None]] | None = None  # before the batch is kept
        self.failing: list[str] = []  # 'before' or 'after' keeping the next batch; one for each

    def sink(self, attempt: int) -> LogSink:
        """That of an attempt which begins; those before are over."""
        self.attempt = attempt
        return LogSink(self, attempt)

    def append(self, stream: str, batch: Batch) -> None:
        kept, key = self.streams[stream], (stream, batch.source)
        added, self._sources[key] = append(len(kept), self._sources.get(key), batch, now_ms=0)
        kept.extend(added)

    def forget(self) -> None:
        """Lose everything."""
        self.streams.clear()
        self._sources.clear()

    def all(self, stream: str = "default") -> list[tuple[str, Any]]:
        """(type, data) of all events, superseded or not."""
        return [(event.type, json.loads(event.payload)) for event in self.streams[stream]]

    def current(self, stream: str = "default") -> list[tuple[str, str, Any]]:
        """(source, type, data) of those that count."""
        return [(e.source, e.type, json.loads(e.payload)) for e in current(self.streams[stream])]


class LogSink:
    def __init__(self, log: StreamLog, attempt: int) -> None:
        self._log = log
        self.attempt = attempt

    async def append(self, stream: str, batch: Batch) -> None:
        log = self._log
        if log.on_append is not None:
            await log.on_append(batch)
        await asyncio.sleep(0)
        if self.attempt != log.attempt:
            raise AttemptOver(f"attempt {self.attempt} is over")
        log.batches.append(batch)
        failing = log.failing.pop(0) if log.failing else None
        if failing == "before":
            raise ConnectionError("refused")
        log.append(stream, batch)
        if failing == "after":
            raise ConnectionError("no answer")
