"""What a reader makes of a stream: the events that count, and the text."""

from __future__ import annotations

import json
from collections.abc import Iterable

from perdure.streams.events import ATTEMPT, StreamEvent


def superseded_by(event: StreamEvent) -> tuple[str, int] | None:
    """(source, index): of that source, what came from that index up to this event is superseded."""
    if event.type != ATTEMPT:
        return None
    told = json.loads(event.payload)
    return str(told["source"]), int(told["from"])


def current(events: Iterable[StreamEvent]) -> list[StreamEvent]:
    """The events without those that an `attempt` event superseded, and without the `attempt` events."""
    kept: list[StreamEvent] = []
    for event in events:
        superseded = superseded_by(event)
        if superseded is None:
            kept.append(event)
            continue
        source, index = superseded
        kept = [e for e in kept if e.source != source or e.index < index]
    return kept
