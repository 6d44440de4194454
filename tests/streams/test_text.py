"""The text of a stream, event by event."""

from __future__ import annotations

import json

from perdure.streams.assemble import Text, TextChange
from perdure.streams.events import StreamEvent


def says(index: int, source: str, delta: str) -> StreamEvent:
    return StreamEvent(index, "text", json.dumps({"delta": delta}), source, 0)


def again(index: int, source: str, first: int) -> StreamEvent:
    return StreamEvent(index, "attempt", json.dumps({"source": source, "from": first}), source, 0)


def texts(*events: StreamEvent) -> list[str]:
    """The whole text after each change."""
    reader, text, seen = Text(), "", []
    for event in events:
        if (change := reader.add(event)) is not None:
            text = change.apply(text)
            seen.append(text)
    return seen


def test_deltas_follow_each_other() -> None:
    assert texts(says(0, "s1", "It "), says(1, "s1", "rains")) == ["It ", "It rains"]


def test_other_events_change_nothing() -> None:
    assert Text().add(StreamEvent(0, "tool_call", '{"name":"x"}', "run", 0)) is None


def test_what_a_run_inside_the_run_says_is_not_its_text() -> None:
    inner = StreamEvent(0, "text", '{"delta":"x","depth":1}', "s1", 0)
    assert texts(inner, says(1, "s2", "a")) == ["a"]


def test_what_an_attempt_supersedes_goes_and_the_rest_moves_up() -> None:
    seen = texts(
        says(0, "s1", "one "),
        says(1, "s2", "two "),
        says(2, "s1", "three "),
        says(3, "s3", "four "),
        again(4, "s1", 0),
        says(5, "s1", "five"),
    )
    assert seen[-2:] == ["two four ", "two four five"]


def test_an_attempt_supersedes_from_its_index_on_only() -> None:
    seen = texts(says(0, "s1", "kept "), says(1, "s1", "gone "), again(2, "s1", 1))
    assert seen[-1] == "kept "


def test_an_attempt_of_a_source_that_said_nothing_changes_nothing() -> None:
    reader = Text()
    reader.add(says(0, "s1", "a"))
    assert reader.add(again(1, "s2", 0)) is None
    assert reader.add(says(2, "s2", "b")) == TextChange(1, "b")
