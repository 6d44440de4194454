"""What a person reads of a run, from the events of its stream."""

from __future__ import annotations

import json
from typing import Any

from perdure.streams.events import StreamEvent
from perdure.ui.transcript import PARTS_MAX, Transcript

Told = tuple[str, dict[str, Any], str]


def transcript(*told: Told | tuple[str, dict[str, Any]]) -> Transcript:
    """Of events `(type, data)` or `(type, data, source)`."""
    read = Transcript()
    for index, each in enumerate(told):
        source = each[2] if len(each) == 3 else "run"
        read.add(StreamEvent(index, each[0], json.dumps(each[1]), source, 0))
    return read


def shown(read: Transcript) -> list[tuple[str, str]]:
    return [(part.kind, part.text or str(part.facts.get("name", part.facts))) for part in read.parts()]


SUCCEEDED = ("end", {"status": "succeeded", "output": "It is dry."})


def test_words_are_gathered_and_not_told_again_by_the_message_and_the_end() -> None:
    read = transcript(
        ("agent", {"name": "Guide"}),
        ("model_call", {"agent": "Guide"}),
        ("text", {"delta": "It is ", "item": "m1"}, "s1"),
        ("text", {"delta": "dry.", "item": "m1"}, "s1"),
        ("message", {"agent": "Guide", "text": "It is dry."}),
        ("output", {"value": "It is dry."}),
        SUCCEEDED,
    )
    assert shown(read) == [("text", "It is dry.")]
    assert read.parts()[0].agent == "Guide"
    assert (read.end, read.activity) == (SUCCEEDED[1], None)


def test_a_tool_call_gets_its_result_and_two_at_once_keep_apart() -> None:
    read = transcript(
        ("tool_call", {"agent": "A", "name": "rain", "call_id": "c1", "arguments": "{}"}),
        ("tool_call", {"agent": "A", "name": "wind", "call_id": "c2", "arguments": "{}"}),
        ("tool_result", {"agent": "A", "name": "wind", "call_id": "c2", "output": 3}),
    )
    assert [(part.facts["name"], part.facts.get("output"), part.is_settled) for part in read.parts()] == [
        ("rain", None, False),
        ("wind", 3, True),
    ]


def test_calls_of_one_id_are_told_apart_by_their_run_and_their_turn() -> None:
    call, result = {"name": "a", "call_id": "c"}, {"name": "a", "call_id": "c", "output": 1}
    read = transcript(
        ("tool_call", call),
        ("tool_call", call | {"name": "b", "depth": 1}),
        ("tool_result", result | {"output": 2, "depth": 1}),
        ("tool_result", result),
        ("tool_call", call | {"name": "c"}),
    )
    told = [(part.facts["name"], part.facts.get("output"), part.depth) for part in read.parts()]
    assert told == [("a", 1, 0), ("b", 2, 1), ("c", None, 0)]


def test_what_a_dead_attempt_said_is_taken_back() -> None:
    read = transcript(
        ("text", {"delta": "Before. ", "item": "m0"}, "s0"),
        ("text", {"delta": "It rains", "item": "m1"}, "s1"),
        ("progress", {"percent": 3}, "s1"),
        ("attempt", {"source": "s1", "from": 1}),
        ("text", {"delta": "It is dry.", "item": "m2"}, "s1"),
        SUCCEEDED,
    )
    assert shown(read) == [("text", "Before. "), ("text", "It is dry.")]


def test_only_the_words_since_the_index_are_taken_back() -> None:
    read = transcript(
        ("text", {"delta": "It ", "item": "m"}, "s1"), ("text", {"delta": "rains", "item": "m"}, "s1")
    )
    changed = read.add(StreamEvent(2, "attempt", '{"source": "s1", "from": 1}', "s1", 0))
    assert (shown(read), changed) == ([("text", "It ")], {"text-s1-m"})


def test_a_question_is_open_until_its_tool_has_answered() -> None:
    asked = ("approval", {"awakeable_id": "sign_1", "tool": "pay", "call_id": "c", "arguments": {}})
    call = ("tool_call", {"name": "pay", "call_id": "c", "arguments": "{}"})
    read = transcript(call, asked)
    assert ([part.is_settled for part in read.parts()], read.activity) == (
        [False, False],
        "waiting for a human",
    )
    read = transcript(call, asked, ("tool_result", {"name": "pay", "call_id": "c", "output": "paid"}))
    assert [part.is_settled for part in read.parts()] == [True, True]
    read = transcript(call, asked, ("end", {"status": "failed", "code": 409, "message": "cancelled"}))
    assert [(part.kind, part.is_settled) for part in read.parts()] == [
        ("tool", True),
        ("approval", True),
        ("failure", True),
    ]


def test_an_output_that_nobody_said_is_shown() -> None:
    assert shown(transcript(("end", {"status": "succeeded", "output": {"euros": 3}}))) == [
        ("output", "{'value': {'euros': 3}}")
    ]
    structured = transcript(("output", {"value": [1]}), ("end", {"status": "succeeded", "output": [1]}))
    assert shown(structured) == [("output", "{'value': [1]}")]


def test_events_of_ones_own_and_of_runs_inside_are_shown() -> None:
    read = transcript(
        ("progress", {"books": 3}),
        ("text", {"delta": "inner", "item": "m", "depth": 1}, "s1"),
        ("handoff", {"from": "A", "to": "B"}),
        ("message", {"text": "unstreamed"}),
    )
    assert [(part.kind, part.depth) for part in read.parts()] == [
        ("event", 0),
        ("text", 1),
        ("handoff", 0),
        ("text", 0),
    ]
    assert read.parts()[0].facts == {"type": "progress", "data": {"books": 3}}


def test_of_a_run_that_never_stops_telling_the_newest_is_kept() -> None:
    read = transcript(*(("progress", {"n": n}) for n in range(PARTS_MAX + 5)))
    assert (len(read.parts()), read.hidden) == (PARTS_MAX, 5)
    assert read.parts()[0].facts["data"] == {"n": 5}
