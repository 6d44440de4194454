"""The one rule by which events enter a stream, wherever it is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass

from perdure.streams.events import ATTEMPT, NewEvent, StreamEvent


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one source, in order.

    attempt: which attempt of the source publishes. It grows, and is compared as tuples
        are: (attempt of the invocation, try of the step). That of the run itself is () for ever.
    offset: how many events this attempt of the source has published before.
    """

    source: str
    attempt: tuple[int, ...]
    offset: int
    events: tuple[NewEvent, ...]


@dataclass(frozen=True, slots=True)
class SourceState:
    """What a stream remembers of a source: its latest attempt, where that began, and how far it has come."""

    attempt: tuple[int, ...]
    first_index: int
    count: int


class Gap(Exception):
    """Events before those of the batch never came. `count` is how many of its attempt did."""

    def __init__(self, count: int) -> None:
        super().__init__(f"the stream has {count} events of this attempt")
        self.count = count


def append(
    next_index: int, state: SourceState | None, batch: Batch, now_ms: int
) -> tuple[list[StreamEvent], SourceState]:
    """The events to add from `next_index` on, and what to remember of the source.

    `state` is None for a source that the stream does not know. A batch that comes twice adds nothing the
    second time; one of an attempt that is over adds nothing at all. Raises Gap.
    """
    if state is not None and batch.attempt < state.attempt:
        return [], state
    added: list[StreamEvent] = []
    if state is None or batch.attempt > state.attempt:
        if state is not None and state.count:
            superseded = json.dumps({"source": batch.source, "from": state.first_index})
            added.append(StreamEvent(next_index, ATTEMPT, superseded, batch.source, now_ms))
        state = SourceState(batch.attempt, next_index + len(added), 0)
    if batch.offset > state.count:
        raise Gap(state.count)
    for event in batch.events[state.count - batch.offset :]:
        index = next_index + len(added)
        added.append(StreamEvent(index, event.type, event.payload, batch.source, now_ms))
    count = max(state.count, batch.offset + len(batch.events))
    return added, SourceState(state.attempt, state.first_index, count)
