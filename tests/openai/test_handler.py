"""@durable: a handler in which the SDK's own Runner.run is durable, whoever calls it."""

from __future__ import annotations

import inspect
from typing import Any

import agents
import pytest
import restate
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    MaxTurnsExceeded,
    RunContextWrapper,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from journal_server import JournalServer, value_of

from perdure import DurableOptions, DurableRunner, RetryPolicy, step
from perdure.durable import DurableContext
from perdure.openai import durable
from perdure.openai.options import current_options
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


def asked(handler: Any, **options: Any) -> JournalServer:
    service = restate.Service("Agent")
    service.handler("run")(handler)
    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


async def test_plain_runner_run_is_durable_in_it() -> None:
    looked_up: list[str] = []

    @function_tool
    async def look_up(word: str) -> str:
        """Look a word up."""
        looked_up.append(word)
        return "a greeting"

    agent = Agent(
        name="A", model=ScriptedModel([ToolCall("look_up", {"word": "hello"}), "done"]), tools=[look_up]
    )

    @durable
    async def run(ctx: restate.Context, message: str) -> str:
        assert isinstance(ctx, DurableContext)
        return str((await Runner.run(agent, message)).final_output)

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == "done"
    assert server.commands() == ["Input", "Run call LLM", "Run look_up", "Run call LLM", "Output"]
    assert looked_up == ["hello"]


async def test_a_run_inside_a_guardrail_is_durable() -> None:
    judge = Agent(name="Judge", model=ScriptedModel(["fine"]))

    async def judged(ctx: RunContextWrapper[Any], agent: Agent[Any], text: Any) -> GuardrailFunctionOutput:
        verdict = await Runner.run(judge, text)
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=verdict.final_output != "fine")

    agent = Agent(name="A", model=ScriptedModel(["hi"]), input_guardrails=[InputGuardrail(judged)])

    @durable
    async def run(ctx: restate.Context, message: str) -> str:
        return str((await Runner.run(agent, message)).final_output)

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == "hi"
    assert server.commands().count("Run call LLM") == 2


async def test_steps_and_the_context_are_there_beside_agents() -> None:
    @durable
    async def run(ctx: restate.Context, message: str) -> str:
        return await ctx.run_typed("one", lambda: message) + await step("two", str.upper, message)

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == "helloHELLO"


async def test_a_handler_without_a_parameter_and_one_of_an_object() -> None:
    counter = restate.VirtualObject("Counter")

    @counter.handler()
    @durable
    async def add(ctx: restate.ObjectContext) -> int:
        count = (await ctx.get("count", type_hint=int) or 0) + 1
        ctx.set("count", count)
        return count

    server = JournalServer(restate.app([counter]), "/invoke/Counter/add", request=b"", suspend_always=True)
    assert value_of(await server.run()) == 1


async def test_the_sdks_errors_are_final_when_they_leave_it() -> None:
    @function_tool
    async def again() -> str:
        """Again."""
        return "again"

    agent = Agent(name="A", model=ScriptedModel([ToolCall("again", {})] * 3), tools=[again])

    @durable
    async def run(ctx: restate.Context, message: str) -> None:
        await Runner.run(agent, message, max_turns=2)

    server = asked(run, suspend_always=True)
    output = await server.run()
    assert MaxTurnsExceeded.__name__ in output.failure.message


async def test_options_are_inherited_and_overruled() -> None:
    seen: list[int] = []
    outer, inner = DurableOptions(model_retry=RetryPolicy(7)), DurableOptions(model_retry=RetryPolicy(2))

    async def note(ctx: Any, agent: Any) -> str:
        seen.append(current_options().model_retry.attempts_max)
        return "..."

    agent = Agent(name="A", instructions=note, model=ScriptedModel(["one", "two", "three"]))

    @durable(options=outer)
    async def run(ctx: restate.Context, message: str) -> None:
        await Runner.run(agent, message)
        await DurableRunner.run(agent, message, options=inner)
        await DurableRunner.run(agent, message)

    await asked(run).run()
    assert seen == [7, 2, 7]


def test_the_decorated_handler_keeps_its_signature_and_name() -> None:
    @durable
    async def greet(ctx: restate.Context, name: str) -> str:
        """Greet."""
        return name

    assert list(inspect.signature(greet).parameters) == ["ctx", "name"]
    assert (greet.__name__, greet.__doc__) == ("greet", "Greet.")


class Names:
    """How a tool may name the runner."""

    @staticmethod
    def by_the_module(inner: Agent[Any]) -> Any:
        async def ask(question: str) -> str:
            """Ask."""
            return str((await agents.Runner.run(inner, question)).final_output)

        return ask

    @staticmethod
    def by_its_name(inner: Agent[Any]) -> Any:
        async def ask(question: str) -> str:
            """Ask."""
            return str((await Runner.run(inner, question)).final_output)

        return ask

    @staticmethod
    def ours(inner: Agent[Any]) -> Any:
        async def ask(question: str) -> str:
            """Ask."""
            return str((await DurableRunner.run(inner, question)).final_output)

        return ask


@pytest.mark.parametrize("named", [Names.by_the_module, Names.by_its_name, Names.ours])
async def test_a_run_inside_a_plain_tool_is_durable(named: Any) -> None:
    model = ScriptedModel(["inner"])
    agent = Agent(
        name="A",
        model=ScriptedModel([ToolCall("ask", {"question": "?"}), "done"]),
        tools=[function_tool(named(Agent(name="Inner", model=model)))],
    )

    @durable
    async def run(ctx: restate.Context, message: str) -> str:
        return str((await Runner.run(agent, message)).final_output)

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == "done"
    assert server.commands() == ["Input", *["Run call LLM"] * 3, "Output"]
    assert model.calls == [0]
