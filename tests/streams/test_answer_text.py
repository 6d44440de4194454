"""Which words of a stream are the answer."""

from __future__ import annotations

import json
from typing import Any

from perdure.streams.append import Batch, SourceState, append
from perdure.streams.assemble import answer_text
from perdure.streams.events import NewEvent, StreamEvent


def stream(*published: tuple[str, tuple[int, ...], str, dict[str, Any]]) -> list[StreamEvent]:
    """Of (source, attempt, type, data)."""
    events: list[StreamEvent] = []
    sources: dict[str, SourceState] = {}
    offsets: dict[Any, int] = {}
    for source, attempt, kind, data in published:
        offset = offsets.get((source, attempt), 0)
        offsets[source, attempt] = offset + 1
        batch = Batch(source, attempt, offset, (NewEvent(kind, json.dumps(data)),))
        added, sources[source] = append(len(events), sources.get(source), batch, 0)
        events += added
    return events


def said(source: str, delta: str, item: str = "m", attempt: int = 1, **more: Any) -> Any:
    return source, (attempt, 1), "text", {"delta": delta, "item": item, **more}


def call(source: str, attempt: int = 1, **more: Any) -> Any:
    return source, (attempt, 1), "model_call", {"agent": "A", **more}


def test_the_last_message_of_the_last_call_is_the_answer() -> None:
    events = stream(
        call("s1"), said("s1", "Let me look."), call("s3"), said("s3", "I "), said("s3", "think."),
        said("s3", "It is ", "n"), said("s3", "22.", "n"),
    )  # fmt: skip
    assert answer_text(events) == "It is 22."


def test_a_call_without_words_has_no_text_though_an_earlier_one_had() -> None:
    assert answer_text(stream(call("s1"), said("s1", "Let me look."), call("s3"))) == ""


def test_words_that_a_later_attempt_supersedes_do_not_count_wherever_it_broke_off() -> None:
    words = ["It ", "is ", "22."]
    for spoken in range(len(words) + 1):
        before = [said("s1", word) for word in words[:spoken]]
        again = [said("s1", word, attempt=2) for word in words]
        assert answer_text(stream(call("s1"), *before, call("s1", 2), *again)) == "It is 22."


def test_providers_that_give_all_messages_the_same_id_are_told_apart_by_call() -> None:
    events = stream(call("s1"), said("s1", "No."), call("s2"), said("s2", "Yes."))
    assert answer_text(events) == "Yes."


def test_what_a_run_inside_of_the_run_says_is_no_answer() -> None:
    events = stream(
        call("s1"), said("s1", "It "), call("s2", depth=1), said("s2", "psst", depth=1), said("s1", "is.")
    )
    assert answer_text(events) == "It is."


def test_an_output_that_no_model_said_replaces_what_it_did_say() -> None:
    output = ("run", (), "text", {"delta": "42", "item": "output"})
    assert answer_text(stream(call("s1"), said("s1", "Let me look."), output)) == "42"
