"""How events enter a stream, as tables of messages and as a property over every interruption."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.streams.append import Batch, Gap, SourceState, append
from perdure.streams.assemble import current
from perdure.streams.events import PAYLOAD_BYTES_MAX, RUN, NewEvent, StreamEvent


class Stream:
    """A stream in memory that follows the rule."""

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []
        self._sources: dict[str, SourceState] = {}

    def publish(self, source: str, attempt: tuple[int, ...], offset: int, words: str) -> None:
        events = tuple(NewEvent.of("text", {"delta": word}) for word in words.split())
        batch = Batch(source, attempt, offset, events)
        added, state = append(len(self.events), self._sources.get(source), batch, now_ms=0)
        self.events += added
        self._sources[source] = state

    def told(self) -> list[str]:
        return [
            event.payload.split('"')[3] if event.type == "text" else f"{event.type} {event.payload}"
            for event in self.events
        ]


def test_events_get_one_index_after_the_other() -> None:
    stream = Stream()
    stream.publish(RUN, (), 0, "a b")
    stream.publish("s1", (1, 1), 0, "c")
    stream.publish(RUN, (), 2, "d")
    assert [event.index for event in stream.events] == [0, 1, 2, 3]
    assert stream.told() == ["a", "b", "c", "d"]


def test_what_comes_twice_is_there_once() -> None:
    stream = Stream()
    stream.publish(RUN, (), 0, "a b")
    stream.publish(RUN, (), 0, "a b")
    stream.publish(RUN, (), 1, "b c")
    assert stream.told() == ["a", "b", "c"]


def test_a_later_attempt_of_a_source_supersedes_what_it_had_published() -> None:
    stream = Stream()
    stream.publish(RUN, (), 0, "start")
    stream.publish("s1", (1, 1), 0, "The wea")
    stream.publish("s2", (1, 1), 0, "other")
    stream.publish("s1", (2, 1), 0, "The weather")
    assert stream.told() == [
        "start",
        "The",
        "wea",
        "other",
        'attempt {"source": "s1", "from": 1}',
        "The",
        "weather",
    ]
    assert [e.index for e in current(stream.events)] == [0, 3, 5, 6]


def test_an_attempt_that_is_over_is_not_heard_any_more() -> None:
    stream = Stream()
    stream.publish("s1", (2, 1), 0, "new")
    stream.publish("s1", (1, 1), 0, "old")
    assert stream.told() == ["new"]


def test_an_attempt_that_published_nothing_supersedes_in_silence() -> None:
    stream = Stream()
    stream.publish("s1", (1, 1), 0, "")
    stream.publish("s1", (2, 1), 0, "a")
    assert stream.told() == ["a"]


def test_a_lost_batch_is_missed() -> None:
    stream = Stream()
    stream.publish("s1", (1, 1), 0, "a")
    with pytest.raises(Gap) as gap:
        stream.publish("s1", (1, 1), 2, "c")
    assert gap.value.count == 1
    with pytest.raises(Gap):
        stream.publish("s1", (2, 1), 1, "b")
    assert stream.told() == ["a"]


WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]


@given(st.lists(st.integers(0, len(WORDS)), max_size=6), st.integers(1, 4), st.data())
def test_however_often_a_source_dies_the_text_at_the_end_is_the_last_ones(
    deaths: list[int], batch_size: int, data: st.DataObject
) -> None:
    stream = Stream()
    for attempt, end in enumerate([*deaths, len(WORDS)], start=1):
        offset = 0
        while offset < end:
            words = WORDS[offset : min(offset + batch_size, end)]
            for _ in range(data.draw(st.integers(1, 2))):  # a batch whose answer was lost is sent again
                stream.publish("s1", (attempt, 1), offset, " ".join(words))
            offset += len(words)
    assert [event.index for event in stream.events] == list(range(len(stream.events)))
    assert [event.payload for event in current(stream.events)] == [
        NewEvent.of("text", {"delta": word}).payload for word in WORDS
    ]


@pytest.mark.parametrize("kind", ["", "two words", "line\nbreak", "a:b"])
def test_a_type_is_one_word(kind: str) -> None:
    with pytest.raises(ValueError, match="event type"):
        NewEvent.of(kind, {})


@pytest.mark.parametrize("data", [{"a": float("nan")}, {"a": object()}, {"a": "x" * PAYLOAD_BYTES_MAX}])
def test_data_is_json_of_a_limited_size(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="'progress'"):
        NewEvent.of("progress", data)
