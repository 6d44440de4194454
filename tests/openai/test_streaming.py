"""Streamed runs: the SDK's events inside the handler, the same on every replay, and each call once."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import restate
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelRetrySettings,
    ModelSettings,
    OutputGuardrail,
    OutputGuardrailTripwireTriggered,
    RunContextWrapper,
    Runner,
    RunResultStreaming,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from human import decided_by
from journal_server import JournalServer, value_of
from pydantic import BaseModel
from stream_log import StreamLog

from perdure import DurableOptions, DurableRunner
from perdure.durable import RetryPolicy
from perdure.errors import NotDurable
from perdure.openai import Budget, BudgetExceeded
from perdure.openai import durable as durable_handler
from perdure.streams.assemble import answer_text
from perdure.testing.scripted_model import ScriptedModel, ToolCall, Turn

pytestmark = pytest.mark.anyio

TEXT = "It is 22 degrees."
SCRIPT: list[Turn] = [ToolCall("get_weather", {"city": "Rome"}), TEXT]


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@function_tool
async def get_weather(city: str) -> dict[str, Any]:
    """The weather."""
    return {"city": city, "degrees": 22}


def asked(handler: Any, **options: Any) -> JournalServer:
    service = restate.Service("Agent")
    service.handler("run")(handler)
    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


def named(event: Any) -> str:
    """An event in a word."""
    if event.type == "raw_response_event":
        return str(event.data.type)
    return str(getattr(event, "name", event.type))


def words(event: Any) -> str:
    return str(event.data.delta) if named(event) == "response.output_text.delta" else ""


async def undurably(agent: Agent[Any], **options: Any) -> tuple[list[str], Any]:
    """The events of the SDK's own streamed run, and its result."""
    result = Runner.run_streamed(agent, "hello", **options)
    return [named(event) async for event in result.stream_events()], result


Handler = Callable[[restate.Context, str], Any]


def in_plain_handler(agent: Agent[Any], seen: list[list[str]], **options: Any) -> Handler:
    async def run(ctx: restate.Context, message: str) -> Any:
        events: list[str] = []
        seen.append(events)
        result = DurableRunner.run_streamed(agent, message, **options)
        async for event in result.stream_events():
            events.append(named(event))  # noqa: PERF401 - an attempt that ends half way has seen some
        return _plain(result.final_output)

    return run


def in_durable_handler(agent: Agent[Any], seen: list[list[str]], **options: Any) -> Handler:
    return durable_handler(in_plain_handler(agent, seen, **options))


def with_the_runner_of_the_sdk(agent: Agent[Any], seen: list[list[str]], **options: Any) -> Handler:
    @durable_handler
    async def run(ctx: restate.Context, message: str) -> Any:
        events: list[str] = []
        seen.append(events)
        result = Runner.run_streamed(agent, message, **options)
        async for event in result.stream_events():
            events.append(named(event))  # noqa: PERF401
        return _plain(result.final_output)

    return run


def _plain(output: Any) -> Any:
    return str(output) if isinstance(output, BaseModel) else output


EVERYWHERE = pytest.mark.parametrize(
    "handler_of", [in_plain_handler, in_durable_handler, with_the_runner_of_the_sdk]
)


def test_the_signature_is_that_of_the_sdk_and_options() -> None:
    ours, theirs = inspect.signature(DurableRunner.run_streamed), inspect.signature(Runner.run_streamed)
    assert [p for p in ours.parameters.values() if p.name != "options"] == list(theirs.parameters.values())
    assert ours.return_annotation == theirs.return_annotation == "RunResultStreaming"


@EVERYWHERE
async def test_the_events_are_those_of_the_sdk_in_every_attempt(handler_of: Any) -> None:
    theirs, _ = await undurably(Agent(name="A", model=ScriptedModel(SCRIPT), tools=[get_weather]))
    model = ScriptedModel(SCRIPT)
    seen: list[list[str]] = []
    server = asked(handler_of(Agent(name="A", model=model, tools=[get_weather]), seen), suspend_always=True)
    assert value_of(await server.run()) == TEXT
    assert model.calls == [0, 1]
    assert server.commands() == [
        "Input",
        "Run call LLM",
        "Run get_weather",
        "Run call LLM",
        "Output",
    ]
    assert server.attempts > 3
    assert seen[-1] == theirs
    assert all(events == theirs[: len(events)] for events in seen)


@EVERYWHERE
async def test_the_connection_may_break_after_any_entry(handler_of: Any) -> None:
    theirs, _ = await undurably(Agent(name="A", model=ScriptedModel(SCRIPT), tools=[get_weather]))
    for length in range(2, 9):
        seen: list[list[str]] = []
        agent = Agent(name="A", model=ScriptedModel(SCRIPT), tools=[get_weather])
        server = asked(handler_of(agent, seen), break_after={length})
        assert value_of(await server.run()) == TEXT
        assert seen[-1] == theirs


async def test_the_result_is_that_of_the_sdk() -> None:
    def agent() -> Agent[Any]:
        return Agent(name="A", model=ScriptedModel(SCRIPT), tools=[get_weather])

    _, theirs = await undurably(agent())

    async def run(ctx: restate.Context, message: str) -> Any:
        result = DurableRunner.run_streamed(agent(), message)
        before = [isinstance(result, RunResultStreaming), result.is_complete, result.final_output]
        async for _ in result.stream_events():
            pass
        return [
            before,
            result.is_complete,
            result.to_input_list(),
            result.last_response_id,
            result.current_turn,
            len(result.new_items),
            result.last_agent.name,
            result.context_wrapper.usage.total_tokens,
        ]

    for handler, started in [(run, False), (durable_handler(run), False)]:
        assert value_of(await asked(handler, suspend_always=True).run()) == [
            [True, started, None],
            True,
            theirs.to_input_list(),
            theirs.last_response_id,
            theirs.current_turn,
            len(theirs.new_items),
            "A",
            theirs.context_wrapper.usage.total_tokens,
        ]


async def test_a_plain_handler_may_use_its_own_context_between_two_events() -> None:
    agent = Agent(name="A", model=ScriptedModel(SCRIPT), tools=[get_weather])

    async def run(ctx: restate.Context, message: str) -> Any:
        result = DurableRunner.run_streamed(agent, message)
        async for event in result.stream_events():
            if event.type == "run_item_stream_event":
                await ctx.run_typed(event.name, lambda: 1)
        return result.final_output

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == TEXT
    names = server.commands()
    assert [name for name in names if "_" in name] == [
        "Run get_weather",  # the run had gone on as far as it could when the handler got the event
        "Run tool_called",
        "Run tool_output",
        "Run message_output_created",
    ]
    for length in range(2, len(server.journal) + 1):
        again = asked(run, break_after={length})
        assert value_of(await again.run()) == TEXT
        assert again.commands() == names


async def test_a_plain_handler_that_stops_reading_ends_the_run() -> None:
    model = ScriptedModel(SCRIPT)
    agent = Agent(name="A", model=model, tools=[get_weather])

    async def run(ctx: restate.Context, message: str) -> Any:
        result = DurableRunner.run_streamed(agent, message)
        async for event in result.stream_events():
            if event.type == "run_item_stream_event":
                break
        return [await ctx.run_typed("after", lambda: 7), result.final_output]

    assert value_of(await asked(run).run()) == [7, None]
    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == [7, None]
    assert model.calls == [0, 0]


@pytest.mark.parametrize("mode", ["immediate", "after_turn"])
@pytest.mark.parametrize("decorate", [lambda run: run, durable_handler])
async def test_cancel(mode: Any, decorate: Any) -> None:
    def agent() -> Agent[Any]:
        return Agent(name="A", model=ScriptedModel(SCRIPT), tools=[get_weather])

    async def read(result: RunResultStreaming) -> list[Any]:
        seen = []
        async for event in result.stream_events():
            seen.append(named(event))
            if seen[-1] == "tool_called":
                result.cancel(mode)
        return [seen, result.is_complete, len(result.new_items), result.final_output]

    async def run(ctx: restate.Context, message: str) -> Any:
        return await read(DurableRunner.run_streamed(agent(), message))

    server = asked(decorate(run), suspend_always=True)
    ours = value_of(await server.run())
    if mode == "after_turn":
        assert ours == await read(Runner.run_streamed(agent(), "hello"))
        assert "Run get_weather" in server.commands()
    else:
        assert ours[0][-1] == "tool_called"
        assert ours[1] is True
        assert ours[3] is None


async def test_too_many_turns_and_tripwires_raise_as_in_the_sdk_and_end_the_invocation() -> None:
    looping = ScriptedModel([ToolCall("get_weather", {"city": "x"})])

    async def trip(*_: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    cases: list[tuple[Any, Any, type[Exception]]] = [
        (Agent(name="A", model=looping, tools=[get_weather]), {"max_turns": 2}, MaxTurnsExceeded),
        (
            Agent(name="A", model=ScriptedModel(["x"]), input_guardrails=[InputGuardrail(trip)]),
            {},
            InputGuardrailTripwireTriggered,
        ),
        (
            Agent(name="A", model=ScriptedModel(["x"]), output_guardrails=[OutputGuardrail(trip)]),
            {},
            OutputGuardrailTripwireTriggered,
        ),
    ]
    for agent, options, error in cases:
        with pytest.raises(error):
            await undurably(agent, **options)
        for handler_of in (in_plain_handler, in_durable_handler, with_the_runner_of_the_sdk):
            server = asked(handler_of(agent, [], **options), suspend_always=True)
            output = await server.run()
            assert output.WhichOneof("result") == "failure"
            assert error.__name__ in output.failure.message


@EVERYWHERE
async def test_sessions_and_handoffs(handler_of: Any, tmp_path: Any) -> None:
    second = Agent(name="B", model=ScriptedModel(["x", "from B"]))
    first = Agent(name="A", model=ScriptedModel([ToolCall("transfer_to_b")]), handoffs=[second])
    session = SQLiteSession("s", tmp_path / "s.db")
    seen: list[list[str]] = []
    server = asked(handler_of(first, seen, session=session), suspend_always=True)
    assert value_of(await server.run()) == "from B"
    assert [name for name in seen[-1] if not name.startswith("response.")] == [
        "agent_updated_stream_event",
        "handoff_requested",
        "handoff_occured",
        "agent_updated_stream_event",
        "message_output_created",
    ]
    assert [item.get("role") or item.get("type") for item in await session.get_items()] == [
        "user",
        "function_call",
        "function_call_output",
        "assistant",
    ]


class Broken(ScriptedModel):
    """Its first streams break off in the middle of the answer."""

    def __init__(self, breaks: int, error: Callable[[], Exception]) -> None:
        super().__init__([TEXT], before_token=self._before)
        self._breaks, self._error = breaks, error

    async def _before(self, turn: int, token: int) -> None:
        if token == 2 and len(self.calls) <= self._breaks:
            raise self._error()


@EVERYWHERE
async def test_a_stream_that_breaks_off_is_made_again(handler_of: Any) -> None:
    model = Broken(2, lambda: ConnectionError("the line broke"))
    theirs, _ = await undurably(Agent(name="A", model=ScriptedModel([TEXT])))
    seen: list[list[str]] = []
    server = asked(handler_of(Agent(name="A", model=model), seen), suspend_always=True)
    assert value_of(await server.run()) == TEXT
    assert server.commands() == [
        "Input",
        "Run call LLM",
        "Sleep",
        "Run call LLM",
        "Sleep",
        "Run call LLM",
        "Output",
    ]
    assert model.calls == [0, 0, 0]
    assert seen[-1] == theirs


@EVERYWHERE
async def test_the_retries_of_the_runner_make_a_call_again_that_broke_off(handler_of: Any) -> None:
    """The SDK itself would not, for its caller had seen words of it. Here nobody in the handler has."""
    settings = ModelSettings(retry=ModelRetrySettings(max_retries=2, policy=lambda _failure: True))
    model = Broken(1, lambda: ConnectionError("the line broke"))
    theirs, _ = await undurably(Agent(name="A", model=ScriptedModel([TEXT])))
    seen: list[list[str]] = []
    agent = Agent(name="A", model=model, model_settings=settings)
    server = asked(handler_of(agent, seen), suspend_always=True)
    assert value_of(await server.run()) == TEXT
    assert server.commands() == ["Input", "Run call LLM", "Sleep", "Run call LLM", "Output"]
    assert seen[-1] == theirs


async def test_budgets_are_kept_and_usage_is_counted_once() -> None:
    agent = Agent(name="A", model=ScriptedModel(SCRIPT), tools=[get_weather])
    options = DurableOptions(budget=Budget(tokens=15))
    for handler_of in (in_plain_handler, in_durable_handler):
        output = await asked(handler_of(agent, [], options=options), suspend_always=True).run()
        assert BudgetExceeded.__name__ in output.failure.message
        assert "15 of 15 tokens" in output.failure.message
    enough = DurableOptions(budget=Budget(tokens=16))
    assert value_of(await asked(in_plain_handler(agent, [], options=enough)).run()) == TEXT


async def test_no_retries_where_the_options_say_so() -> None:
    model = Broken(1, lambda: ConnectionError("the line broke"))
    options = DurableOptions(model_retry=RetryPolicy(attempts_max=1))
    output = await asked(in_plain_handler(Agent(name="A", model=model), [], options=options)).run()
    assert "the line broke" in output.failure.message
    assert model.calls == [0]


async def test_the_time_out_of_a_model_is_for_the_whole_stream() -> None:
    async def slowly(turn: int, token: int) -> None:
        await asyncio.sleep(0.05)

    model = ScriptedModel(["a b c d e f g h i j"], before_token=slowly)
    agent = Agent(name="A", model=model, model_settings=ModelSettings(timeout=0.1))
    options = DurableOptions(model_retry=RetryPolicy(attempts_max=1))
    output = await asked(in_plain_handler(agent, [], options=options)).run()
    assert "ModelTimeoutError" in output.failure.message


async def test_a_model_that_does_not_stream_says_so() -> None:
    class Mute(ScriptedModel):
        def stream_response(self, *args: Any, **options: Any) -> Any:
            raise NotImplementedError("this model does not stream")

    output = await asked(in_plain_handler(Agent(name="A", model=Mute(["x"])), [])).run()
    assert "this model does not stream" in output.failure.message


class Report(BaseModel):
    city: str
    degrees: int


@EVERYWHERE
async def test_structured_output(handler_of: Any) -> None:
    agent = Agent(name="A", model=ScriptedModel(['{"city": "Rome", "degrees": 22}']), output_type=Report)
    server = asked(handler_of(agent, []), suspend_always=True)
    assert value_of(await server.run()) == "city='Rome' degrees=22"


async def test_outside_of_a_handler_it_says_what_to_write() -> None:
    with pytest.raises(NotDurable, match=r"agents\.Runner\.run_streamed"):
        DurableRunner.run_streamed(Agent(name="A", model=ScriptedModel(["x"])), "hello")


async def test_a_second_run_while_one_is_being_read_is_refused() -> None:
    agent = Agent(name="A", model=ScriptedModel(SCRIPT), tools=[get_weather])

    async def run(ctx: restate.Context, message: str) -> Any:
        result = DurableRunner.run_streamed(agent, message)
        async for _ in result.stream_events():
            try:
                await DurableRunner.run(agent, message)
            except NotDurable as error:
                return str(error)
        return ""

    assert "two durable runs at once" in value_of(await asked(run).run())


async def test_tools_get_the_restate_context_that_the_run_was_given() -> None:
    @function_tool
    async def orchestrate(wrapper: RunContextWrapper[restate.Context]) -> str:
        return str(await wrapper.context.run_typed("inner", lambda: "done"))

    agent: Agent[Any] = Agent(
        name="A", model=ScriptedModel([ToolCall("orchestrate"), "ok"]), tools=[orchestrate]
    )

    async def run(ctx: restate.Context, message: str) -> Any:
        result = DurableRunner.run_streamed(agent, message, context=ctx)
        async for _ in result.stream_events():
            pass
        return [result.final_output, result.context_wrapper.context is ctx]

    for handler in (run, durable_handler(run)):
        server = asked(handler, suspend_always=True)
        assert value_of(await server.run()) == ["ok", True]
        assert "Run inner" in server.commands()


@pytest.mark.parametrize("decorate", [lambda run: run, durable_handler])
async def test_a_run_waits_for_a_human_and_goes_on_with_its_events(decorate: Any) -> None:
    paid: list[str] = []

    @function_tool(needs_approval=True)
    async def pay(to: str) -> str:
        """Pays."""
        paid.append(to)
        return f"paid {to}"

    agent = Agent(name="A", model=ScriptedModel([ToolCall("pay", {"to": "Ada"}), TEXT]), tools=[pay])
    seen: list[list[str]] = []
    log = StreamLog()
    server = asked(decorate(in_plain_handler(agent, seen)), suspend_always=True, sink=log.sink)
    assert value_of(await decided_by(server, lambda _question: b'{"approved": true}')) == TEXT
    assert paid == ["Ada"]
    items = [name for name in seen[-1] if name in ("tool_called", "tool_output", "message_output_created")]
    assert items == ["tool_called", "tool_output", "message_output_created"]
    kinds = [kind for _, kind, _ in log.current()]
    assert kinds.index("tool_call") < kinds.index("approval") < kinds.index("tool_result")
    assert kinds.count("approval") == kinds.count("output") == 1
    assert answer_text(log.streams["default"]) == TEXT


@pytest.mark.parametrize("decorate", [lambda run: run, durable_handler])
async def test_a_run_that_is_told_to_hands_its_interruptions_to_the_caller(decorate: Any) -> None:
    @function_tool(needs_approval=True)
    async def pay(to: str) -> str:
        """Pays."""
        return f"paid {to}"

    agent = Agent(name="A", model=ScriptedModel([ToolCall("pay", {"to": "Ada"}), TEXT]), tools=[pay])

    async def run(ctx: restate.Context, message: str) -> Any:
        options = DurableOptions(approvals="return")
        result = DurableRunner.run_streamed(agent, message, options=options)
        async for _ in result.stream_events():
            pass
        state = result.to_state()
        for item in result.interruptions:
            state.approve(item)
        again = DurableRunner.run_streamed(agent, state, options=options)
        async for _ in again.stream_events():
            pass
        return [len(result.interruptions), again.final_output]

    assert value_of(await asked(decorate(run), suspend_always=True).run()) == [1, TEXT]
