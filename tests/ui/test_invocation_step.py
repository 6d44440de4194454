"""What an opened step shows, and what the steps of an invocation add up to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from journal_script import command, model, ran, tool

from perdure.inspection.records import Step
from perdure.inspection.step_content import ToolCall
from perdure.ui.invocation_step import parts_of
from perdure.ui.invocation_summary import Summary

ASKED = ToolCall("book", '{"to": "Budapest"}', "c1")
ANNOUNCED: dict[str, Any] = {
    "version": 1, "awakeable_id": "sign_1x", "tool": "pay", "arguments": {"euros": 5}, "asked_at": "now",
}  # fmt: skip


def thinking() -> Step:
    answer = {
        "version": 1,
        "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hmm."}]},
            {"type": "message", "content": [{"type": "output_text", "text": "Hi & welcome."}]},
            {"type": "function_call", "name": "book", "arguments": '{"to": 1}', "call_id": "c1"},
        ],
    }
    return ran(1, "call LLM", 1, 2, answer)


@pytest.mark.parametrize(
    ("step", "asked", "titles", "words"),
    [
        (
            thinking(),
            None,
            ["Reasoning (folded)", "Said", "Calls book", "The answer as it came (folded)"],
            ["Hmm.", "Hi &amp; welcome.", "to"],
        ),
        (tool(3, "book", 3, 4, "c1"), ASKED, ["Arguments of book", "Output"], ["Budapest", "book is done"]),
        (
            ran(3, "book", 3, 4, {"output": "no seats", "is_error": True}),
            None,
            ["Error, as the model reads it"],
            ["no seats"],
        ),
        (ran(3, "approval pay", 3, 4, ANNOUNCED), None, ["May it call pay with"], ["euros"]),
        (
            command(3, "call", 3, 4, parameter=b'{"a": 1}', value=b'"done"'),
            None,
            ["Sent", "Value"],
            ["json-number", "done"],
        ),
        (command(0, "input", 0, value=b'"hello"'), None, ["Input"], ["hello"]),
        (ran(3, "look", 3, 4, {"found": 2}), None, ["Value"], ["found"]),
        (ran(3, "look", 3, None), None, [], []),
    ],
    ids=["model", "tool", "tool error", "approval", "call", "input", "plain step", "under way"],
)
def test_parts(step: Step, asked: ToolCall | None, titles: list[str], words: list[str]) -> None:
    parts = parts_of(step, asked)
    assert [f"{part.title}{' (folded)' if part.is_folded else ''}" for part in parts] == titles
    html = "".join(part.html for part in parts)
    assert all(word in html for word in words)


def test_an_invocation_adds_up_by_agent_and_model() -> None:
    told = Summary()
    told.add(
        [
            command(0, "input", 0, value=b"1"),
            model(1, 1, 2, ("Triage",), ("book", "c1"), model="gpt-5", usd=0.25),
            tool(3, "book", 3, 4, "c1", "Triage"),
            ran(5, "book", 3, 4, error={"type": "m:Busy", "message": "no", "retry_in_ms": 5}),
        ]
    )
    told.add([model(7, 5, 6, ("Booking",), "Done."), command(9, "output", 7, value=json.dumps("x").encode())])
    assert (told.total.calls, told.total.input_tokens, told.total.output_tokens, told.total.usd) == (
        2,
        20,
        10,
        0.25,
    )
    assert list(told.by) == [("Triage", "gpt-5"), ("Booking", "")]
    assert told.by["Booking", ""].usd is None
    assert (told.tool_calls, told.failed_tries) == (1, 1)
    assert told.input is not None
    assert told.output is not None
