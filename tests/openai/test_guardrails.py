"""The verdict of a guardrail is journaled, so a replay never judges again."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import restate
from agent_invocation import asked, asking
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    RunContextWrapper,
    Runner,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrailData,
    ToolInputGuardrailTripwireTriggered,
    ToolOutputGuardrailData,
    function_tool,
    input_guardrail,
    output_guardrail,
    set_tracing_disabled,
    tool_input_guardrail,
    tool_output_guardrail,
)
from journal_server import value_of
from pydantic import BaseModel

from perdure import DurableRunner, step
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


class Verdict(BaseModel):
    reason: str


@dataclass
class Calls:
    """The context object of a run."""

    names: list[str]


def passed(info: Any = None) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=info, tripwire_triggered=False)


def tripped(info: Any = None) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=info, tripwire_triggered=True)


async def test_plain_guardrails_are_one_step_each_and_asked_once() -> None:
    judged: list[str] = []

    @input_guardrail
    def polite(_ctx: Any, _agent: Any, text: Any) -> GuardrailFunctionOutput:
        judged.append(f"in {text}")
        return passed(Verdict(reason="kind"))

    @output_guardrail(name="short enough")
    def short(_ctx: Any, _agent: Any, output: Any) -> GuardrailFunctionOutput:
        judged.append(f"out {output}")
        return passed({"length": len(output)})

    agent = Agent(name="A", model=ScriptedModel(["hi"]), input_guardrails=[polite], output_guardrails=[short])
    infos: list[Any] = []

    async def run(ctx: restate.Context, message: str) -> str:
        result = await DurableRunner.run(agent, message)
        results = [*result.input_guardrail_results, *result.output_guardrail_results]
        infos.append([r.output.output_info for r in results])
        assert [r.guardrail for r in results] == [polite, short]
        return str(result.final_output)

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == "hi"
    assert judged == ["in hello", "out hi"]
    assert sorted(server.commands()[1:3]) == ["Run call LLM", "Run guardrail polite"]
    assert server.commands()[3] == "Run guardrail short enough"
    assert infos[-1] == [Verdict(reason="kind"), {"length": 2}]


@pytest.mark.parametrize("of", ["class", "dataclass"])
async def test_info_of_a_class_in_a_function_comes_back_as_its_fields(of: str) -> None:
    class Finding(BaseModel):
        allowed: bool
        reason: str

    @dataclass
    class Note:
        allowed: bool
        reason: str

    @input_guardrail
    async def polite(_ctx: Any, _agent: Any, _text: Any) -> GuardrailFunctionOutput:
        kind = Finding if of == "class" else Note
        return passed(kind(allowed=True, reason="kind"))

    agent = Agent(name="A", model=ScriptedModel(["hi"]), input_guardrails=[polite])

    async def run(ctx: restate.Context, message: str) -> Any:
        result = await DurableRunner.run(agent, message)
        return result.input_guardrail_results[0].output.output_info

    assert value_of(await asked(run, suspend_always=True).run()) == {"allowed": True, "reason": "kind"}


async def test_a_guardrail_that_blocks_is_asked_before_the_model() -> None:
    @input_guardrail(run_in_parallel=False)
    def never(_ctx: Any, _agent: Any, _text: Any) -> GuardrailFunctionOutput:
        return tripped("no")

    model = ScriptedModel(["hi"])
    agent = Agent(name="A", model=model, input_guardrails=[never])
    server = asking(agent)
    assert "InputGuardrailTripwireTriggered" in (await server.run()).failure.message
    assert model.calls == []
    assert server.commands() == ["Input", "Run guardrail never", "Output"]


@pytest.mark.parametrize("break_after", range(2, 8))
async def test_a_guardrail_that_trips_in_parallel_cancels_the_model_call(break_after: int) -> None:
    stopped: list[int] = []

    async def for_ever(turn: int) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(turn)
            raise

    @input_guardrail
    async def never(_ctx: Any, _agent: Any, _text: Any) -> GuardrailFunctionOutput:
        return tripped(Verdict(reason="rude"))

    model = ScriptedModel(["hi"], for_ever)
    agent = Agent(name="A", model=model, input_guardrails=[never])
    caught: list[Any] = []

    async def run(ctx: restate.Context, message: str) -> str:
        try:
            await DurableRunner.run(agent, message)
        except InputGuardrailTripwireTriggered as error:
            caught.append(error.guardrail_result)
            await ctx.sleep(timedelta(seconds=1))
            return f"refused: {error.guardrail_result.output.output_info.reason}"
        return "let through"

    server = asked(run, break_after={break_after})
    assert value_of(await server.run()) == "refused: rude"
    assert server.attempts == 2
    assert caught[-1].guardrail is never
    assert caught[-1].output == tripped(Verdict(reason="rude"))
    assert len(stopped) == len(model.calls), "each call in flight was cancelled"


async def test_an_agent_judges_and_its_verdict_does_not_change_on_replay() -> None:
    judge = Agent(name="Judge", model=ScriptedModel(["fine"]))
    said: list[str] = []

    @input_guardrail(run_in_parallel=False)
    async def fickle(_ctx: Any, _agent: Any, text: Any) -> GuardrailFunctionOutput:
        answer = (await Runner.run(judge, text)).final_output
        said.append(str(answer))
        return passed(random.random())  # another one on each replay

    agent = Agent(
        name="A",
        model=ScriptedModel([ToolCall("now"), "hi"]),
        input_guardrails=[fickle],
        tools=[function_tool(lambda: "noon", name_override="now", description_override="The time.")],
    )
    infos: list[Any] = []

    async def run(ctx: restate.Context, message: str) -> str:
        result = await DurableRunner.run(agent, message)
        infos.append(result.input_guardrail_results[0].output.output_info)
        await ctx.sleep(timedelta(seconds=1))
        return str(result.final_output)

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == "hi"
    assert server.commands() == [
        "Input",
        "Run call LLM",
        "Run guardrail fickle",
        "Run call LLM",
        "Run now",
        "Run call LLM",
        "Sleep",
        "Output",
    ]
    assert len(said) > 1
    assert len(infos) == 2
    assert len(set(infos)) == 1


async def test_an_output_guardrail_trips_with_the_sdks_exception() -> None:
    @output_guardrail
    async def secret(_ctx: Any, _agent: Any, output: Any) -> GuardrailFunctionOutput:
        return tripped({"leaks": output})

    agent = Agent(name="A", model=ScriptedModel(["the password"]), output_guardrails=[secret])

    async def run(ctx: restate.Context, message: str) -> Any:
        with pytest.raises(OutputGuardrailTripwireTriggered) as caught:
            await DurableRunner.run(agent, message)
        result = caught.value.guardrail_result
        assert (result.guardrail, result.agent, result.agent_output) == (secret, agent, "the password")
        return result.output.output_info

    assert value_of(await asked(run, suspend_always=True).run()) == {"leaks": "the password"}


async def test_guardrails_of_tools_allow_reject_and_raise_once() -> None:
    judged: list[str] = []

    @tool_input_guardrail
    def no_secrets(data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
        judged.append(f"in {data.context.tool_arguments}")
        if "secret" in data.context.tool_arguments:
            return ToolGuardrailFunctionOutput.reject_content("ask for something else", output_info=Verdict)
        return ToolGuardrailFunctionOutput.allow()

    @tool_output_guardrail
    async def no_shouting(data: ToolOutputGuardrailData) -> ToolGuardrailFunctionOutput:
        judged.append(f"out {data.output}")
        if data.output.isupper():
            return ToolGuardrailFunctionOutput.raise_exception({"said": data.output})
        return ToolGuardrailFunctionOutput.allow()

    @function_tool(tool_input_guardrails=[no_secrets], tool_output_guardrails=[no_shouting])
    async def echo(text: str) -> str:
        return text

    model = ScriptedModel([ToolCall("echo", {"text": "secret"}), ToolCall("echo", {"text": "calm"}), "done"])
    agent = Agent(name="A", model=model, tools=[echo])
    outputs: list[Any] = []

    async def run(ctx: restate.Context, message: str) -> Any:
        result = await DurableRunner.run(agent, message)
        outputs.append([item["output"] for item in result.to_input_list() if "output" in item])
        return [r.output.output_info for r in result.tool_input_guardrail_results]

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == [str(Verdict), None], "what is no JSON comes back as its text"
    assert outputs == [["ask for something else", "calm"]]
    assert [call for call in server.commands() if "echo" in call] == ["Run echo"]
    assert server.commands().count("Run guardrail no_secrets") == 2
    assert judged.count('in {"text": "secret"}') == 1
    agent.model = ScriptedModel([ToolCall("echo", {"text": "LOUD"}), "done"])
    assert "ToolOutputGuardrailTripwireTriggered" in (await asking(agent).run()).failure.message


async def test_a_tripped_tool_guardrail_raises_with_what_it_said() -> None:
    @tool_input_guardrail
    def never(data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
        return ToolGuardrailFunctionOutput.raise_exception(Verdict(reason="never"))

    @function_tool(tool_input_guardrails=[never])
    async def delete() -> str:
        return "deleted"

    agent = Agent(name="A", model=ScriptedModel([ToolCall("delete")]), tools=[delete])

    async def run(ctx: restate.Context, message: str) -> Any:
        with pytest.raises(ToolInputGuardrailTripwireTriggered) as caught:
            await DurableRunner.run(agent, message)
        assert caught.value.guardrail is never
        assert caught.value.output.behavior == {"type": "raise_exception"}
        return caught.value.output.output_info.reason

    assert value_of(await asked(run, suspend_always=True).run()) == "never"


async def test_what_a_plain_guardrail_leaves_in_the_context_is_there_after_a_replay() -> None:
    @input_guardrail(run_in_parallel=False)
    def note(ctx: RunContextWrapper[Calls], _agent: Any, _text: Any) -> GuardrailFunctionOutput:
        ctx.context.names.append("guardrail")
        return passed()

    agent = Agent(name="A", model=ScriptedModel(["hi"]), input_guardrails=[note])

    async def run(ctx: restate.Context, message: str) -> Any:
        calls = Calls([])
        await DurableRunner.run(agent, message, context=calls)
        return calls.names

    assert value_of(await asked(run, suspend_always=True).run()) == ["guardrail"]


async def test_an_error_of_a_plain_guardrail_is_journaled() -> None:
    tries: list[int] = []

    @input_guardrail
    def breaks(_ctx: Any, _agent: Any, _text: Any) -> GuardrailFunctionOutput:
        tries.append(1)
        raise ConnectionError("no moderation service")

    agent = Agent(name="A", model=ScriptedModel(["hi"]), input_guardrails=[breaks])

    async def run(ctx: restate.Context, message: str) -> str:
        try:
            await DurableRunner.run(agent, message)
        except ConnectionError as error:
            return str(error)
        return "?"

    assert value_of(await asked(run, suspend_always=True).run()) == "no moderation service"
    assert tries == [1]


async def test_io_in_an_async_guardrail_is_refused_with_the_line_to_write() -> None:
    async def moderated(_ctx: Any, _agent: Any, _text: Any) -> GuardrailFunctionOutput:
        await asyncio.open_connection("127.0.0.1", 9)
        return passed()

    agent = Agent(name="A", model=ScriptedModel(["hi"]), input_guardrails=[InputGuardrail(moderated)])
    message = (await asking(agent).run()).failure.message
    assert f"{__file__}:" in message
    assert 'await step("moderated", lambda: asyncio.open_connection("127.0.0.1", 9))' in message


async def test_an_async_guardrail_does_io_in_steps() -> None:
    asked_service: list[str] = []

    async def moderate(text: str) -> bool:
        await asyncio.sleep(0)
        asked_service.append(text)
        return False

    @input_guardrail
    async def moderated(_ctx: Any, _agent: Any, text: Any) -> GuardrailFunctionOutput:
        flagged = await step("moderate", moderate, text)
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=flagged)

    agent = Agent(name="A", model=ScriptedModel(["hi"]), input_guardrails=[moderated])
    server = asking(agent)
    assert value_of(await server.run()) == "hi"
    assert asked_service == ["hello"]
    assert server.commands().count("Run guardrail moderated") == 1


async def test_something_that_is_no_function_is_told_by_the_sdk() -> None:
    broken: Any = InputGuardrail(guardrail_function="nothing", name="broken")  # type: ignore[arg-type]
    agent = Agent(name="A", model=ScriptedModel(["hi"]), input_guardrails=[broken])
    assert "Guardrail function must be callable" in (await asking(agent).run()).failure.message
