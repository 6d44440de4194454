"""DurableRunner runs any agent as Runner does, and each model and tool call once."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
import restate
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    Model,
    ModelProvider,
    RunConfig,
    RunContextWrapper,
    Runner,
    SQLiteSession,
    function_tool,
    handoff,
    set_tracing_disabled,
)
from journal_server import JournalServer, value_of
from pydantic import BaseModel

from perdure import DurableRunner, durable, step
from perdure.errors import NotDurable
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


def asked(handler: Any, **options: Any) -> JournalServer:
    """An invocation of a handler `(ctx, message)`, with the message "hello"."""
    service = restate.Service("Agent")
    service.handler("run")(handler)
    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


def running(agent: Agent[Any], **options: Any) -> Any:
    async def run(ctx: restate.Context, message: str) -> Any:
        if options.get("context") is restate.Context:
            return (await DurableRunner.run(agent, message, **{**options, "context": ctx})).final_output
        return (await DurableRunner.run(agent, message, **options)).final_output

    return run


class Report(BaseModel):
    city: str
    degrees: int


@function_tool
async def get_weather(city: str) -> dict[str, Any]:
    """The weather."""
    return {"city": city, "degrees": 22}


def test_the_signature_is_that_of_the_sdk_and_options() -> None:
    ours, theirs = inspect.signature(DurableRunner.run), inspect.signature(Runner.run)
    *same, options = ours.parameters.values()
    assert (options.name, options.default) == ("options", None)
    assert [(p.name, p.kind, p.default) for p in same] == [
        (p.name, p.kind, p.default) for p in theirs.parameters.values()
    ]


async def test_an_agent_with_a_plain_tool() -> None:
    model = ScriptedModel([ToolCall("get_weather", {"city": "Detroit"}), "22 degrees"])
    agent = Agent(name="Weather", instructions="...", tools=[get_weather], model=model)
    server = asked(running(agent), suspend_always=True)
    assert value_of(await server.run()) == "22 degrees"
    assert server.commands() == ["Input", "Run call LLM", "Run get_weather", "Run call LLM", "Output"]
    assert server.attempts == 4
    assert model.calls == [0, 1]


async def test_the_result_is_the_same_live_and_after_replays() -> None:
    seen: list[Any] = []
    model = ScriptedModel([[ToolCall("get_weather", {"city": c}) for c in ("Rome", "Oslo")], "done"])
    agent = Agent(name="Weather", tools=[get_weather], model=model)

    async def run(ctx: restate.Context, message: str) -> str:
        result = await DurableRunner.run(agent, message, context=ctx)
        assert result.last_agent is agent
        assert result.context_wrapper.context is ctx
        seen.append(
            (
                result.to_input_list(),
                result.context_wrapper.usage,
                [response.response_id for response in result.raw_responses],
            )
        )
        return "ok"

    await asked(run).run()
    await asked(run, suspend_always=True).run()
    plain = await Runner.run(agent, "hello")
    assert seen[0] == seen[1]
    assert seen[0][0] == plain.to_input_list()
    assert seen[0][1].total_tokens == plain.context_wrapper.usage.total_tokens == 30


class Provider(ModelProvider):
    def __init__(self, model: Model) -> None:
        self.model = model
        self.asked_for: list[str | None] = []

    def get_model(self, model_name: str | None) -> Model:
        self.asked_for.append(model_name)
        return self.model


@pytest.mark.parametrize("way", ["agent", "run config", "run config as dict", "name", "name in run config"])
async def test_models_are_journaled_wherever_they_come_from(way: str) -> None:
    model = ScriptedModel(["hi"])
    provider = Provider(model)
    options: dict[str, Any] = {
        "agent": {},
        "run config": {"run_config": RunConfig(model=model)},
        "run config as dict": {"run_config": {"model": model}},
        "name": {"run_config": RunConfig(model_provider=provider)},
        "name in run config": {"run_config": RunConfig(model="gpt-x", model_provider=provider)},
    }[way]
    on_agent: Any = model if way == "agent" else "gpt-x"
    server = asked(running(Agent(name="A", model=on_agent), **options), suspend_always=True)
    assert value_of(await server.run()) == "hi"
    assert server.commands() == ["Input", "Run call LLM", "Output"]
    assert model.calls == [0]


async def test_cyclic_handoffs_keep_their_agents() -> None:
    script = ScriptedModel([ToolCall("transfer_to_b"), ToolCall("transfer_to_a"), "back again"])
    a: Agent[Any] = Agent(name="a", model=script)
    b: Agent[Any] = Agent(name="b", model=script, handoffs=[a])
    a.handoffs = [handoff(b)]

    async def run(ctx: restate.Context, message: str) -> Any:
        result = await DurableRunner.run(a, message)
        return [result.final_output, result.last_agent is a]

    assert value_of(await asked(run, suspend_always=True).run()) == ["back again", True]


async def test_a_sync_tool_runs_in_a_thread_and_is_one_step() -> None:
    import threading

    threads: list[str] = []

    @function_tool
    def add(a: int, b: int) -> int:
        threads.append(threading.current_thread().name)
        return a + b

    agent = Agent(
        name="A",
        tools=[add],
        model=ScriptedModel([ToolCall("add", {"a": 1, "b": 2}), lambda i: str(i[-1]["output"])]),
    )
    server = asked(running(agent), suspend_always=True)
    assert value_of(await server.run()) == "3"
    assert "Run add" in server.commands()
    assert threads != []
    assert threads[0] != threading.main_thread().name


async def test_a_tool_returns_models_and_odd_objects_as_the_model_would_see_them() -> None:
    class Odd:
        def __str__(self) -> str:
            return "an odd object"

    @function_tool
    async def report(city: str) -> Report:
        return Report(city=city, degrees=1)

    @function_tool
    async def odd() -> Any:
        return Odd()

    script = ScriptedModel(
        [
            [ToolCall("report", {"city": "x"}), ToolCall("odd")],
            lambda i: " | ".join(str(x["output"]) for x in i[-2:]),
        ]
    )
    agent = Agent(name="A", tools=[report, odd], model=script)
    durable_answer = value_of(await asked(running(agent), suspend_always=True).run())
    assert (
        durable_answer
        == (await Runner.run(agent, "hello")).final_output
        == "city='x' degrees=1 | an odd object"
    )


async def test_a_tool_that_raises_tells_the_model_and_is_not_tried_again() -> None:
    tries: list[str] = []

    @function_tool(failure_error_function=lambda _ctx, error: f"sorry: {error}")
    async def fails() -> str:
        tries.append("x")
        raise ConnectionError("no route")

    agent = Agent(
        name="A", tools=[fails], model=ScriptedModel([ToolCall("fails"), lambda i: str(i[-1]["output"])])
    )
    server = asked(running(agent), suspend_always=True)
    assert value_of(await server.run()) == "sorry: no route"
    assert tries == ["x"]


async def test_a_tool_without_failure_function_ends_the_run_with_the_sdks_error() -> None:
    @function_tool(failure_error_function=None)
    async def fails() -> str:
        raise ValueError("boom")

    agent = Agent(name="A", tools=[fails], model=ScriptedModel([ToolCall("fails")]))
    server = asked(running(agent))
    output = await server.run()
    assert "Error running tool fails: boom" in output.failure.message


async def test_tools_that_take_the_context_orchestrate_steps_in_parallel() -> None:
    running_now, most = 0, 0

    async def stage(name: str) -> str:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await asyncio.sleep(0.01)
        running_now -= 1
        return name

    @function_tool
    async def book(wrapper: RunContextWrapper[restate.Context], what: str) -> str:
        assert durable.current() is wrapper.context
        done = [await step(f"{what} {n}", stage, f"{what}{n}") for n in range(2)]
        done.append(await wrapper.context.run_typed(f"{what} run", stage, restate.RunOptions(), f"{what}2"))
        await asyncio.sleep(5)
        return " ".join(done)

    script = [
        [ToolCall("book", {"what": what}) for what in "abc"],
        lambda i: ", ".join(x["output"] for x in i[-3:]),
    ]
    agent = Agent(name="A", tools=[book], model=ScriptedModel(script))
    server = asked(running(agent, context=restate.Context))
    assert value_of(await server.run()) == "a0 a1 a2, b0 b1 b2, c0 c1 c2"
    assert most == 3
    assert server.commands().count("Sleep") == 3
    again = asked(running(agent, context=restate.Context), suspend_always=True)
    assert value_of(await again.run()) == "a0 a1 a2, b0 b1 b2, c0 c1 c2"


async def test_an_agent_as_tool_runs_beside_other_tools_with_steps_of_its_own() -> None:
    inner = Agent(
        name="Inner",
        tools=[get_weather],
        model=ScriptedModel([ToolCall("get_weather", {"city": "x"}), "inner says 22"]),
    )
    outer = Agent(
        name="Outer",
        tools=[inner.as_tool("ask_inner", "Ask."), get_weather],
        model=ScriptedModel(
            [
                [ToolCall("ask_inner", {"input": "?"}), ToolCall("get_weather", {"city": "y"})],
                lambda i: i[-2]["output"],
            ]
        ),
    )
    server = asked(running(outer), suspend_always=True)
    assert value_of(await server.run()) == "inner says 22"
    assert server.commands().count("Run call LLM") == 4
    assert server.commands().count("Run get_weather") == 2


async def test_io_in_an_orchestrating_tool_ends_the_invocation_and_names_the_line() -> None:
    @function_tool
    async def fetch(wrapper: RunContextWrapper[restate.Context]) -> str:
        await asyncio.open_connection("127.0.0.1", 9)
        return "unreachable"

    agent = Agent(name="A", tools=[fetch], model=ScriptedModel([ToolCall("fetch"), "the model would go on"]))
    server = asked(running(agent, context=restate.Context))
    message = (await server.run()).failure.message
    assert "fetch" in message
    assert f"{__file__}:" in message
    assert 'await step("fetch", lambda: asyncio.open_connection("127.0.0.1", 9))' in message


async def test_a_run_inside_of_a_plain_tool_ends_the_invocation() -> None:
    inner = Agent(name="Inner", model=ScriptedModel(["x"]))

    async def roundabout() -> str:
        return str((await DurableRunner.run(inner, "?")).final_output)

    @function_tool
    async def nested() -> str:
        return await roundabout()

    agent = Agent(name="A", tools=[nested], model=ScriptedModel([ToolCall("nested"), "swallowed"]))
    message = (await asked(running(agent)).run()).failure.message
    assert "inside the step 'nested'" in message
    assert "RunContextWrapper[restate.Context]" in message


async def test_errors_of_the_sdk_keep_their_type_and_end_the_invocation() -> None:
    looping = Agent(
        name="A", tools=[get_weather], model=ScriptedModel([ToolCall("get_weather", {"city": "x"})])
    )
    caught: list[type] = []

    async def run(ctx: restate.Context, message: str) -> str:
        try:
            await DurableRunner.run(looping, message, max_turns=2)
        except MaxTurnsExceeded as error:
            caught.append(type(error))
            raise
        return "?"

    output = await asked(run).run()
    assert caught == [MaxTurnsExceeded]
    assert "MaxTurnsExceeded" in output.failure.message

    async def never(*_: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    guarded = Agent(
        name="G", model=ScriptedModel(["x"]), input_guardrails=[InputGuardrail(guardrail_function=never)]
    )
    output = await asked(running(guarded)).run()
    assert InputGuardrailTripwireTriggered.__name__ in output.failure.message


async def test_a_session_is_read_and_written_in_steps(tmp_path: Any) -> None:
    session = SQLiteSession("s", tmp_path / "s.db")
    agent = Agent(name="A", model=ScriptedModel(["first", lambda i: f"saw {len(i)} items"]))

    async def run(ctx: restate.Context, message: str) -> list[str]:
        return [
            str((await DurableRunner.run(agent, text, session=session)).final_output) for text in ("a", "b")
        ]

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == ["first", "saw 3 items"]
    assert "Run session.get_items" in server.commands()
    assert "Run session.add_items" in server.commands()
    assert len(await session.get_items()) == 4, "no item lost or doubled by a replay"


async def test_outside_of_a_handler_there_is_no_journal() -> None:
    with pytest.raises(NotDurable, match="outside of a restate handler"):
        await DurableRunner.run(Agent(name="A", model=ScriptedModel(["x"])), "hi")
    assert (await Runner.run(Agent(name="A", model=ScriptedModel(["x"])), "hi")).final_output == "x"
