"""What people see of a stream: the model's words, and no word twice without being told."""

from __future__ import annotations

import json
from typing import Any

from perdure.stream_answers.text_view import ASKED_AGAIN, TextView
from perdure.streams.end import succeeded
from perdure.streams.events import StreamEvent


class Stream:
    """Events, shown as they come; `shown` is what was printed."""

    def __init__(self) -> None:
        self.view = TextView()
        self.count = 0
        self.shown = ""

    def add(self, kind: str, source: str, /, **data: Any) -> None:
        self.shown += self.view.add(StreamEvent(self.count, kind, json.dumps(data), source, 0))
        self.count += 1

    def says(self, *deltas: str, source: str = "s1") -> None:
        for delta in deltas:
            self.add("text", source, delta=delta, item="m")

    def dies(self, source: str = "s1") -> None:
        self.add("attempt", source, source=source, **{"from": 0})


def test_only_the_text_is_shown() -> None:
    stream = Stream()
    stream.add("model_call", "s1", agent="a", model="m")
    stream.says("Hel", "lo")
    stream.add("message", "run", agent="a", text="Hello")
    stream.shown += stream.view.add(succeeded(stream.count, b'"Hello"', 0))
    assert stream.shown == "Hello"


def test_a_model_that_says_the_same_again_is_not_shown_again() -> None:
    stream = Stream()
    stream.says("Hel", "lo wor")
    stream.dies()
    stream.says("Hello", " world")
    stream.add("message", "run", text="Hello world")
    assert stream.shown == "Hello world"


def test_a_model_that_says_something_else_is_shown_anew() -> None:
    stream = Stream()
    stream.says("Hello wor")
    stream.dies()
    stream.says("Hel", "p!", " Me")
    assert stream.shown == f"Hello wor{ASKED_AGAIN}Help! Me"


def test_a_model_that_says_less_is_shown_anew_once_it_has_ended() -> None:
    stream = Stream()
    stream.says("Hello world")
    stream.dies()
    stream.says("Hello")
    assert stream.shown == "Hello world"
    stream.add("message", "run", text="Hello")
    assert stream.shown == f"Hello world{ASKED_AGAIN}Hello"
    stream.add("message", "run", text="twice")
    assert stream.shown.count(ASKED_AGAIN) == 1


def test_an_attempt_that_dies_while_it_repeats_changes_nothing() -> None:
    stream = Stream()
    stream.says("Hello wor")
    stream.dies()
    stream.says("Hel")
    stream.dies()
    stream.says("Hello world")
    stream.add("message", "run", text="Hello world")
    assert stream.shown == "Hello world"


def test_what_a_run_says_that_no_model_said_is_shown_too() -> None:
    stream = Stream()
    stream.says("Hello wor")
    stream.dies()
    stream.says("Hello")
    stream.says("!", source="run")
    assert stream.shown == f"Hello wor{ASKED_AGAIN}Hello!"


def test_an_agent_asked_by_an_agent_is_not_shown() -> None:
    stream = Stream()
    stream.says("To you")
    stream.add("text", "s2", delta="to the other agent", item="m", depth=1)
    stream.says("!")
    assert stream.shown == "To you!"


def test_sources_are_told_apart() -> None:
    stream = Stream()
    stream.says("one ", source="s1")
    stream.says("two ", source="s2")
    stream.dies("s1")
    stream.says("three ", source="s2")
    stream.says("one more", source="s1")
    assert stream.shown == "one two three more"
