"""A session's items as a conversation: those of the real DurableSession, and those of nobody we know."""

from __future__ import annotations

import json
from typing import Any

import pytest
import restate
from agents import Agent, function_tool, set_tracing_disabled

from perdure import DurableRunner, DurableSession
from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall
from perdure.ui.session_view import (
    Called,
    Other,
    Said,
    Thought,
    conversation,
    item_name,
    length,
    session_name,
)


@function_tool
async def get_weather(city: str) -> str:
    """The weather."""
    return f"22 degrees in {city}"


def items(*items: Any) -> dict[int, bytes]:
    return {at: json.dumps(item).encode() for at, item in enumerate(items)}


@pytest.mark.anyio
async def test_what_a_durable_session_wrote_is_read() -> None:
    set_tracing_disabled(True)
    script = [ToolCall("get_weather", {"city": "Rome"}), "It is warm."]
    agent = Agent(name="Weather", tools=[get_weather], model=ScriptedModel(script))
    service = restate.VirtualObject("Chat")

    @service.handler()
    async def say(ctx: restate.ObjectContext, message: str) -> str:
        return str((await DurableRunner.run(agent, message, session=DurableSession("main"))).final_output)

    async with harness(service) as h:
        await h.call("Chat/ada/say", "Weather in Rome?")
        state = {name.decode(): value for name, value in h.engine.store.states.all("Chat", "ada").items()}

    (name,) = {found for entry in state if (found := session_name(entry))}
    assert name == "main"
    count = length(state["session/main"])
    assert count is not None
    turns = conversation({at: state[item_name(name, at)] for at in range(count)})
    assert turns == [
        Said(0, "user", "Weather in Rome?"),
        Called(1, "get_weather", '{"city": "Rome"}', "22 degrees in Rome"),
        Said(3, "assistant", "It is warm."),
    ]


def test_parts_of_a_message() -> None:
    content = [
        {"type": "input_text", "text": "What is"},
        {"type": "input_text", "text": "this?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        {"type": "input_file", "filename": "bill.pdf", "file_data": "AAAA"},
    ]
    assert conversation(items({"role": "user", "content": content})) == [
        Said(0, "user", "What is\nthis?", ("input_image", "input_file bill.pdf"))
    ]
    refusal = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    assert conversation(items(refusal)) == [Said(0, "assistant", "No.")]


def test_parallel_calls_have_their_own_outputs() -> None:
    told = conversation(
        items(
            {"type": "function_call", "name": "a", "arguments": "{}", "call_id": "1"},
            {"type": "function_call", "name": "b", "arguments": "{}", "call_id": "2"},
            {"type": "function_call_output", "call_id": "2", "output": "two"},
            {
                "type": "function_call_output",
                "call_id": "1",
                "output": [{"type": "input_text", "text": "one"}],
            },
        )
    )
    assert [(turn.name, "one" in (turn.output or "")) for turn in told if isinstance(turn, Called)] == [
        ("a", True),
        ("b", False),
    ]
    assert len(told) == 2


def test_a_call_that_has_no_output_yet_and_an_output_whose_call_is_not_here() -> None:
    call, output = conversation(
        items(
            {"type": "function_call", "name": "a", "arguments": "{}", "call_id": "1"},
            {"type": "function_call_output", "call_id": "0", "output": "of an earlier page"},
        )
    )
    assert call == Called(0, "a", "{}", None)
    assert isinstance(output, Other)
    assert "of an earlier page" in output.raw


def test_calls_of_hosted_tools_reasoning_and_items_of_a_later_sdk() -> None:
    search, shell, thought, later = conversation(
        items(
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "rain"}},
            {"type": "custom_tool_call", "name": "sh", "input": "ls", "call_id": "1", "output": "a b"},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"type": "dream", "of": "sheep"},
        )
    )
    assert isinstance(search, Called)
    assert (search.name, json.loads(search.arguments)) == ("web_search", {"query": "rain"})
    assert shell == Called(1, "sh", "ls", "a b")
    assert thought == Thought(2, "Hm.")
    assert isinstance(later, Other)
    assert (later.kind, json.loads(later.raw)["of"]) == ("dream", "sheep")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\x00",
        b"null",
        b"[1, 2]",
        b'{"role": 1, "content": 2}',
        b'{"type": ["message"], "role": {}}',
        b"[" * 100_000,
        b'{"type":"x_call","call_id":"1","arguments":' + b"[" * 900 + b"]" * 900 + b"}",
    ],
)
def test_what_is_no_item_is_shown_as_it_is(value: bytes) -> None:
    (turn,) = conversation({7: value})
    assert turn.at == 7
    assert isinstance(turn, Other | Called)


@pytest.mark.parametrize(
    "head",
    [b"", b"\xff", b"12", b'{"version": 2, "items": 1}', b'{"items": 1}', b'{"version": 1, "items": -1}',
     b'{"version": 1, "items": 99999999999}', b'{"version":1,"items":1.5}'],
)  # fmt: skip
def test_what_is_no_head_of_a_session(head: bytes) -> None:
    assert length(head) is None


def test_which_entries_are_heads() -> None:
    assert session_name("session/main") == "main"
    for name in ("session/", "session/main/000000", "sessions", "session", "my session/main"):
        assert session_name(name) is None
