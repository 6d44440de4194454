"""What the door makes of a stream, event by event."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perdure.door.answer import Answer, Delta, Done, Ended, Failed, Step, Superseded
from perdure.door.chat_chunks import chat_text
from perdure.errors import OpenAIRequestError
from perdure.streams.events import ATTEMPT, StreamEvent

pytestmark = pytest.mark.anyio


def stream(*events: tuple[str, str, dict[str, Any]]) -> list[StreamEvent]:
    """Of (source, type, payload)."""
    return [
        StreamEvent(index, kind, json.dumps(payload), source, 0)
        for index, (source, kind, payload) in enumerate(events)
    ]


def text(delta: str, source: str = "s1", item: int = 0) -> tuple[str, str, dict[str, Any]]:
    return source, "text", {"delta": delta, "item": item}


def attempt(index: int, source: str = "s1") -> tuple[str, str, dict[str, Any]]:
    return source, ATTEMPT, {"source": source, "from": index}


def end(output: Any) -> tuple[str, str, dict[str, Any]]:
    return "run", "end", {"status": "succeeded", "output": output}


def steps(*events: tuple[str, str, dict[str, Any]]) -> list[tuple[str, object]]:
    """The steps as (kind, what is told), each as it was when it came."""
    answer = Answer()
    return [_told(step) for event in stream(*events) for step in answer.feed(event)]


def _told(step: Step) -> tuple[str, object]:
    match step:
        case Delta(part, more):
            return "delta", (part.number, more)
        case Done(part) | Superseded(part):
            return type(step).__name__.lower(), (part.number, part.text)
        case Ended(part, failed):
            return "ended", failed or (part and part.number)


def test_the_last_text_is_the_output() -> None:
    assert steps(text("a"), text("b"), end("ab")) == [
        ("delta", (0, "a")), ("delta", (0, "b")), ("done", (0, "ab")), ("ended", 0),
    ]  # fmt: skip


def test_another_output_follows_as_a_text_of_its_own() -> None:
    assert steps(text("a"), end({"b": 1})) == [
        ("delta", (0, "a")), ("delta", (1, '{"b": 1}')), ("done", (0, "a")), ("done", (1, '{"b": 1}')),
        ("ended", 1),
    ]  # fmt: skip


def test_nothing_streamed_and_an_empty_output() -> None:
    assert steps(end("")) == [("delta", (0, "")), ("done", (0, "")), ("ended", 0)]


def test_an_output_that_only_a_superseded_text_was_comes_again() -> None:
    assert steps(text("a"), attempt(0), end("a")) == [
        ("delta", (0, "a")), ("superseded", (0, "a")), ("delta", (1, "a")), ("done", (1, "a")), ("ended", 1),
    ]  # fmt: skip


def test_only_the_texts_of_that_source_are_superseded() -> None:
    assert steps(text("a", "s1"), text("b", "s2"), attempt(0), end("b"))[2:] == [
        ("superseded", (0, "a")), ("done", (1, "b")), ("ended", 1),
    ]  # fmt: skip


def test_a_message_closes_its_text() -> None:
    said = ("run", "message", {"agent": "A", "text": "a"})
    assert steps(text("a"), said, text("b", "s2"), end("b"))[1:] == [
        ("done", (0, "a")), ("delta", (1, "b")), ("done", (1, "b")), ("ended", 1),
    ]  # fmt: skip


def test_events_of_the_same_name_that_mean_something_else_are_let_be() -> None:
    assert steps(("run", "text", {"body": "x"}), ("run", "text", {"delta": 1}), end("a"))[0] == (
        "delta", (0, "a"),
    )  # fmt: skip


def test_what_a_run_inside_the_run_says_is_no_answer() -> None:
    inner = ("s1", "text", {"delta": "x", "item": 0, "depth": 1})
    assert steps(inner, text("a", "s2"), end("a"))[0] == ("delta", (0, "a"))


def test_a_failure_leaves_its_texts_open() -> None:
    failed = ("run", "end", {"status": "failed", "code": 500, "message": "no"})
    assert steps(text("a"), failed) == [("delta", (0, "a")), ("ended", Failed(500, "no"))]


def output(total: int, source: str = "run") -> tuple[str, str, dict[str, Any]]:
    usage = {"input_tokens": total - 1, "output_tokens": 1, "total_tokens": total, "requests": 1}
    return source, "output", {"value": "a", "usage": usage}


def usage_of(*events: tuple[str, str, dict[str, Any]]) -> tuple[int, int, int] | None:
    answer = Answer()
    *_, ended = [step for event in stream(*events) for step in answer.feed(event)]
    assert isinstance(ended, Ended)
    told = ended.usage
    return told and (told["input_tokens"], told["output_tokens"], told["total_tokens"])


def test_the_usage_is_that_of_all_runs_whose_output_counts() -> None:
    assert usage_of(output(10), output(20), end("a")) == (28, 2, 30)
    assert usage_of(output(10), ("run", ATTEMPT, {"source": "run", "from": 0}), output(20), end("a")) == (
        19, 1, 20,
    )  # fmt: skip
    assert usage_of(output(10), ("run", "end", {"status": "failed", "code": 500, "message": "no"})) == (
        9, 1, 10,
    )  # fmt: skip


def test_where_no_run_tells_its_usage_it_is_not_known() -> None:
    theirs = [("run", "output", {"value": 1}), ("run", "output", {"usage": "all of it"})]
    assert usage_of(*theirs, end("a")) is None


# ---- chunks


async def chunks(*events: tuple[str, str, dict[str, Any]]) -> list[str | Failed]:
    """The texts, and how it failed, if it did."""
    answer = Answer()

    async def come() -> AsyncIterator[Step]:
        for event in stream(*events):
            for step in answer.feed(event):
                yield step

    told = [said.failed if isinstance(said, Ended) else said async for said in chat_text(come())]
    return [said for said in told if said is not None]


@pytest.mark.parametrize("again", ["abcd", "abc", "ab"])
async def test_a_text_that_begins_as_the_one_before_goes_on(again: str) -> None:
    sent = await chunks(text("ab"), attempt(0), *(text(letter) for letter in again), end(again))
    assert "".join(map(str, sent)) == again


async def test_three_attempts_of_one_text() -> None:
    sent = await chunks(
        text("abc"), attempt(0), text("a"), attempt(2), text("ab"), text("cd"), text("e"), end("abcde")
    )
    assert sent == ["abc", "d", "e"]


@pytest.mark.parametrize("again", ["ax", "a", "x", ""])
async def test_a_text_that_cannot_go_on(again: str) -> None:
    with pytest.raises(OpenAIRequestError, match="other words"):
        await chunks(text("abc"), attempt(0), *([text(again)] if again else []), end(again))


async def test_a_superseded_text_that_others_stand_behind() -> None:
    with pytest.raises(OpenAIRequestError, match="other words"):
        await chunks(text("a", "s1"), text("b", "s2"), attempt(0, "s1"), end("b"))


async def test_a_failure_after_a_superseded_text() -> None:
    failed = ("run", "end", {"status": "failed", "code": 409, "message": "cancelled"})
    assert await chunks(text("a"), attempt(0), failed) == ["a", Failed(409, "cancelled")]
