"""Events as server-sent events: frames as they go over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterable

from perdure.streams.events import ATTEMPT, StreamEvent

MEDIA_TYPE = "text/event-stream"
RETRY = b"retry: 250\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


def frames(events: Iterable[StreamEvent]) -> bytes:
    """One frame an event: `id` is its index, `data` its payload, `source` and `at` (ms since the epoch)."""
    return "".join(map(_frame, events)).encode()


def _frame(event: StreamEvent) -> str:
    told = json.loads(event.payload) | {"source": event.source, "at": event.published_at_ms}
    data = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.index}\nevent: {event.type}\ndata: {data}\n\n"


def event_of(id: str, event: str, data: str) -> StreamEvent:  # noqa: A002
    """The inverse, from the fields of a frame."""
    told = json.loads(data)
    at_ms, source = told.pop("at"), told["source"]
    if event != ATTEMPT:  # whose payload has the key too: it tells of its own source
        del told["source"]
    payload = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return StreamEvent(int(id), event, payload, source, at_ms)
