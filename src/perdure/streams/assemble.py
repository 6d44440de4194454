"""What a reader makes of a stream: the events that count, and the text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from perdure.streams.events import ATTEMPT, TEXT, StreamEvent


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
        if event.type not in ("model_call", TEXT):
            continue
        told = json.loads(event.payload)
        if told.get("depth"):
            continue
        if event.type == "model_call":
            text, of = "", None
        elif (said_in := (event.source, told.get("item"))) == of:
            text += told.get("delta", "")
        else:
            text, of = told.get("delta", ""), said_in
    return text


@dataclass(frozen=True, slots=True)
class TextChange:
    """Of a text so far, the first `keep` characters stand, and `added` follows them."""

    keep: int
    added: str

    def apply(self, text: str) -> str:
        return text[: self.keep] + self.added


class Text:
    """The text that the models of a run have said, event by event: the deltas that count, in their order."""

    def __init__(self) -> None:
        self._said: list[tuple[StreamEvent, str]] = []
        self._length = 0

    def add(self, event: StreamEvent) -> TextChange | None:
        """What the next event changes; None if nothing."""
        if (superseded := superseded_by(event)) is not None:
            return self._take_back(*superseded)
        if event.type != TEXT or "depth" in (data := event.data):  # of a run inside the run
            return None
        delta = str(data.get("delta", ""))
        change = TextChange(self._length, delta)
        self._said.append((event, delta))
        self._length += len(delta)
        return change

    def _take_back(self, source: str, index: int) -> TextChange | None:
        """Other sources may have spoken in between: what they said moves up."""
        keep, after, gone = 0, "", False
        kept: list[tuple[StreamEvent, str]] = []
        for event, delta in self._said:
            if event.source == source and event.index >= index:
                gone = True
                continue
            kept.append((event, delta))
            if gone:
                after += delta
            else:
                keep += len(delta)
        self._said, self._length = kept, keep + len(after)
        return TextChange(keep, after) if gone else None
