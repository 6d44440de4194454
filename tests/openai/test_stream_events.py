"""What readers outside are told of a streamed run: its events, and words that come to its output."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import restate
from agents import Agent, Runner, function_tool, set_tracing_disabled
from journal_server import JournalServer, value_of
from openai.types.responses import ResponseFunctionToolCall, ResponseReasoningTextDeltaEvent
from pydantic import BaseModel
from stream_log import StreamLog

from perdure import DurableRunner
from perdure.openai import durable as durable_handler
from perdure.openai.stream_events import events_from_text, events_to_text
from perdure.streams.assemble import answer_text
from perdure.testing.response_events import response_events
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

TEXT = "It is  22 degrees\nin Röma."
SCRIPT = [ToolCall("get_weather", {"city": "Rome"}), TEXT]


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@function_tool
async def get_weather(city: str) -> dict[str, Any]:
    """The weather."""
    return {"city": city, "degrees": 22}


def asked(agent: Agent[Any], **options: Any) -> tuple[JournalServer, StreamLog]:
    """A handler that does not even look at the events."""
    log = StreamLog()

    @durable_handler
    async def run(ctx: restate.Context, message: str) -> Any:
        result = DurableRunner.run_streamed(agent, message)
        async for _ in result.stream_events():
            pass
        return result.final_output

    return served(run, log, **options), log


def served(handler: Any, log: StreamLog, **options: Any) -> JournalServer:
    service = restate.Service("Agent")
    service.handler("run")(handler)
    app = restate.app([service])
    return JournalServer(app, "/invoke/Agent/run", request=b'"hello"', sink=log.sink, **options)


USAGE_OF_THREE = {
    "requests": 3,
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 15,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 45,
}


async def test_a_run_tells_all_that_happens_once_with_replay_at_every_await() -> None:
    second = Agent(name="B", model=ScriptedModel(["x", "x", TEXT]))
    model = ScriptedModel([ToolCall("get_weather", {"city": "Rome"}), ToolCall("transfer_to_b")])
    agent = Agent(name="A", model=model, tools=[get_weather], handoffs=[second])
    server, log = asked(agent, suspend_always=True)
    assert value_of(await server.run()) == TEXT
    story = [(kind, data) for _, kind, data in log.current() if kind != "text"]
    call = {"agent": "A", "call_id": "call_0_0", "name": "get_weather"}
    assert story == [
        ("agent", {"name": "A"}),
        ("model_call", {"agent": "A"}),
        ("tool_call", {**call, "arguments": '{"city": "Rome"}'}),
        ("tool_result", {**call, "output": {"city": "Rome", "degrees": 22}}),
        ("model_call", {"agent": "A"}),
        ("handoff", {"from": "A", "to": "B"}),
        ("agent", {"name": "B"}),
        ("model_call", {"agent": "B"}),
        ("message", {"agent": "B", "text": TEXT}),
        ("output", {"value": TEXT, "usage": USAGE_OF_THREE}),
    ]
    assert answer_text(log.streams["default"]) == TEXT
    assert [event.index for event in log.streams["default"]] == list(range(len(log.all())))


async def test_the_words_are_out_before_the_answer_is_in_the_journal() -> None:
    log = StreamLog()
    heard: list[str] = []

    async def look(turn: int, token: int) -> None:
        if token == 2:  # the first word at least has left the process
            await arrived(log, "text")
            heard.extend(data["delta"] for _, kind, data in log.current() if kind == "text")

    @durable_handler
    async def run(ctx: restate.Context, message: str) -> Any:
        agent = Agent(name="A", model=ScriptedModel([TEXT], before_token=look))
        result = Runner.run_streamed(agent, message)
        async for _ in result.stream_events():
            pass
        return result.final_output

    server = served(run, log)
    assert value_of(await server.run()) == TEXT
    assert heard
    assert TEXT.startswith("".join(heard))


async def arrived(log: StreamLog, kind: str) -> None:
    while not any(there == kind for there, _ in log.all()):  # noqa: ASYNC110 - the log is no condition
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("replay", [False, True])
async def test_the_text_is_the_output_wherever_the_call_broke_off(replay: bool) -> None:
    """A try that fails at any word is superseded by the next one."""
    for broken in range(len(TEXT.split())):
        for turn in (0, 1):
            breaks = [(turn, broken)]

            async def before(turn: int, token: int, breaks: Any = breaks) -> None:
                if (turn, token) in breaks:
                    breaks.remove((turn, token))
                    raise ConnectionError("the line broke")

            model = ScriptedModel(SCRIPT, before_token=before)
            server, log = asked(Agent(name="A", model=model, tools=[get_weather]), suspend_always=replay)
            assert value_of(await server.run()) == TEXT
            assert answer_text(log.streams["default"]) == TEXT


@pytest.mark.parametrize("spoken", range(1, len(TEXT.split()) + 1))
async def test_the_text_is_the_output_wherever_the_attempt_ended(spoken: int) -> None:
    """The connection breaks while the model speaks; the next attempt asks anew."""

    async def break_off(turn: int, token: int) -> None:
        if turn == 1 and token == min(spoken, len(TEXT.split()) - 1) and log.attempt == 1:
            await arrived(log, "text")
            server.break_now()
            await asyncio.Event().wait()

    model = ScriptedModel(SCRIPT, before_token=break_off)
    server, log = asked(Agent(name="A", model=model, tools=[get_weather]))
    assert value_of(await server.run()) == TEXT
    assert server.attempts == 2
    assert "attempt" in [kind for kind, _ in log.all()]
    assert answer_text(log.streams["default"]) == TEXT


async def test_an_output_that_no_model_said_is_text_too() -> None:
    @function_tool
    async def look_up() -> str:
        """Looks up."""
        return "from the tool"

    agent = Agent(
        name="A",
        model=ScriptedModel([ToolCall("look_up")]),
        tools=[look_up],
        tool_use_behavior="stop_on_first_tool",
    )
    server, log = asked(agent, suspend_always=True)
    assert value_of(await server.run()) == "from the tool"
    assert answer_text(log.streams["default"]) == "from the tool"


async def test_what_an_agent_inside_says_is_marked() -> None:
    async def on_stream(_event: Any) -> None: ...

    inner = Agent(name="inner", model=ScriptedModel(["psst"]))
    tool = inner.as_tool("ask", "Asks.", on_stream=on_stream)
    agent = Agent(name="A", model=ScriptedModel([ToolCall("ask", {"input": "?"}), TEXT]), tools=[tool])
    server, log = asked(agent, suspend_always=True)
    assert value_of(await server.run()) == TEXT
    assert answer_text(log.streams["default"]) == TEXT
    inside = [(kind, data) for _, kind, data in log.current() if data.get("depth")]
    assert ("model_call", {"agent": "inner", "depth": 1}) in inside
    assert ("text", {"delta": "psst", "item": "msg_0", "depth": 1}) in inside
    assert [kind for _, kind, _ in log.current()].count("output") == 1


async def test_a_value_too_long_for_an_event_is_cut_and_the_run_goes_on() -> None:
    @function_tool
    async def read() -> str:
        """Reads."""
        return "ü" * 1_000_000

    agent = Agent(name="A", model=ScriptedModel([ToolCall("read"), TEXT]), tools=[read])
    server, log = asked(agent)
    assert value_of(await server.run()) == TEXT
    [result] = [data for _, kind, data in log.current() if kind == "tool_result"]
    assert result["cut"] is True
    assert "ü" * 1000 in result["output"]


class Report(BaseModel):
    city: str


async def test_a_structured_output_is_told_as_json() -> None:
    agent = Agent(name="A", model=ScriptedModel(['{"city": "Rome"}']), output_type=Report)

    @durable_handler
    async def run(ctx: restate.Context, message: str) -> Any:
        result = DurableRunner.run_streamed(agent, message)
        async for _ in result.stream_events():
            pass
        return result.final_output.city

    log = StreamLog()
    assert value_of(await served(run, log, suspend_always=True).run()) == "Rome"
    _, kind, told = log.current()[-1]
    assert (kind, told["value"], told["usage"]["total_tokens"]) == ("output", {"city": "Rome"}, 15)
    assert json.loads(answer_text(log.streams["default"])) == {"city": "Rome"}


async def test_events_come_back_as_they_were() -> None:
    answer = await ScriptedModel([TEXT]).get_response(None, "hello")
    events = list(response_events(answer))
    object.__setattr__(events[-1].response, "_agents_sdk_raw_usage", {"tokens": 3})
    reasoning = ResponseReasoningTextDeltaEvent(
        type="response.reasoning_text.delta",
        delta="hm",
        item_id="r",
        output_index=0,
        content_index=0,
        sequence_number=1,
    )
    plain = {"type": "of some adapter", "n": 1}
    back = events_from_text(events_to_text([*events, reasoning, plain]))
    assert back == [*events, reasoning, plain]
    assert back[-3].response._agents_sdk_raw_usage == {"tokens": 3}


async def test_an_event_that_would_not_come_back_is_refused() -> None:
    class Local(BaseModel):
        type: str = "x"

    with pytest.raises(TypeError, match="module level"):
        events_to_text([Local()])
    call = ResponseFunctionToolCall(type="function_call", call_id="c", name="n", arguments="{}")
    assert events_from_text(events_to_text([call])) == [call]
