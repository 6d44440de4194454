"""Tables `stream_event` and `stream_source`: what invocations publish."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from perdure.engine.core.transaction import STREAM_READ_BYTES
from perdure.streams.append import SourceState
from perdure.streams.events import StreamEvent

_LENGTH = "SELECT max(position) + 1 FROM stream_event WHERE invocation_id = ? AND stream = ?"
_SOURCE = (
    "SELECT attempt, first_index, count FROM stream_source "
    "WHERE invocation_id = ? AND stream = ? AND source = ?"
)
_READ = (
    "SELECT position, type, payload, source, published_at_ms FROM stream_event "
    "WHERE invocation_id = ? AND stream = ? AND position >= ? ORDER BY position LIMIT ?"
)


class Streams:
    """Reads and writes of the tables."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.events_added = 0
        """Since the file was opened."""

    def length(self, invocation_id: str, stream: str) -> int:
        (length,) = self._connection.execute(_LENGTH, (invocation_id, stream)).fetchone()
        return int(length or 0)

    def source(self, invocation_id: str, stream: str, source: str) -> SourceState | None:
        row = self._connection.execute(_SOURCE, (invocation_id, stream, source)).fetchone()
        return SourceState(tuple(json.loads(row[0])), row[1], row[2]) if row else None

    def add(
        self, invocation_id: str, stream: str, source: str, state: SourceState, events: Sequence[StreamEvent]
    ) -> None:
        self.events_added += len(events)
        self._connection.execute(
            "INSERT OR REPLACE INTO stream_source VALUES (?, ?, ?, ?, ?, ?)",
            (invocation_id, stream, source, json.dumps(state.attempt), state.first_index, state.count),
        )
        self._connection.executemany(
            "INSERT INTO stream_event VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (invocation_id, stream, e.index, e.type, e.payload, e.source, e.published_at_ms)
                for e in events
            ],
        )

    def read(self, invocation_id: str, stream: str, start: int, count: int) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        with closing(self._connection.execute(_READ, (invocation_id, stream, start, count))) as rows:
            bytes_left = STREAM_READ_BYTES
            while bytes_left > 0 and (row := rows.fetchone()) is not None:
                events.append(StreamEvent(*row))
                bytes_left -= len(events[-1].payload)
        return events

    def delete_all(self, invocation_id: str) -> None:
        for table in ("stream_event", "stream_source"):
            self._connection.execute(f"DELETE FROM {table} WHERE invocation_id = ?", (invocation_id,))
