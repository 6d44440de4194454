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


def answer_text(events: Iterable[StreamEvent]) -> str:
    """The text of an agent's answer, of all events that there are; once the run is over, its final output.

    It is what the model says in the last message of its last call, in the run that the handler asked for.
    What a run inside of that one says (`depth`) does not count.
    """
    text, of = "", None
    for event in current(events):
        if event.type not in ("model_call", "text"):
            continue
        told = json.loads(event.payload)
        if told.get("depth"):
            continue
        if event.type == "model_call":
            text, of = "", None
        elif (event.source, told["item"]) == of:
            text += told["delta"]
        else:
            text, of = told["delta"], (event.source, told["item"])
    return text
