"""Events as server-sent events: frames as they go over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterable

from perdure.streams.events import StreamEvent

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
