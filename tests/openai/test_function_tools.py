"""Function tools: one step each, with the results of plain Runner, live and after a replay at every await."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import threading
from collections.abc import Callable
from typing import Any, TypedDict

import agents
import pytest
import restate
from agents import (
    Agent,
    FunctionTool,
    RunConfig,
    RunContextWrapper,
    Runner,
    ToolExecutionConfig,
    ToolOutputFileContent,
    ToolOutputImage,
    ToolOutputText,
    ToolsToFinalOutputResult,
    ToolTimeoutError,
    UserError,
    set_tracing_disabled,
    tool_namespace,
)
from agents.tool_context import ToolContext
from journal_server import JournalServer, value_of
from pydantic import BaseModel, Field

from perdure import DurableRunner, RetryPolicy, durable, durable_tool, function_tool, idempotency_key, step
from perdure.openai.tool_decorators import tool_options
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


def last_outputs(items: Any) -> str:
    """What the model sees of the tools it called."""
    return " | ".join(str(item["output"]) for item in items if item.get("type") == "function_call_output")


def agent_of(*tools: Any, calls: Any = None, **options: Any) -> Agent[Any]:
    """An agent that calls each of its tools once, in one turn, and answers with what they returned."""
    calls = calls or [ToolCall(tool.name) for tool in tools]
    return Agent(name="A", tools=list(tools), model=ScriptedModel([calls, last_outputs]), **options)


def asked(handler: Any, **options: Any) -> JournalServer:
    service = restate.Service("Agent")
    service.handler("run")(handler)
    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


def asking(agent: Agent[Any], look: Callable[[Any], Any] = lambda r: r.final_output, **options: Any) -> Any:
    async def run(ctx: restate.Context, message: str) -> Any:
        return look(await DurableRunner.run(agent, message, **options))

    return run


async def everywhere(agent: Agent[Any], look: Callable[[Any], Any], **options: Any) -> Any:
    """What `look` tells of plain Runner's result, of a durable run's, and of one replayed at every await."""
    plain = look(await Runner.run(agent, "hello", **options))
    live = value_of(await asked(asking(agent, look, **options)).run())
    replayed = value_of(await asked(asking(agent, look, **options), suspend_always=True).run())
    assert plain == live == replayed
    return plain


# ---- outputs


class City(BaseModel):
    name: str
    degrees: int = Field(default=20, ge=-100)


@dataclasses.dataclass
class Person:
    name: str
    friends: list[str]


class Row(TypedDict):
    id: int


OUTPUTS: dict[str, Any] = {
    "text": "plain",
    "json": {"a": [1, 2.5, None, True]},
    "model": City(name="Rome"),
    "models": [City(name="Rome"), City(name="Oslo", degrees=-3)],
    "dataclass": Person("ann", ["bob"]),
    "typed dict": Row(id=1),
    "nothing": None,
    "number": 7,
    "image": ToolOutputImage(image_url="data:image/png;base64,AA=="),
    "file": ToolOutputFileContent(file_id="file_1", filename="a.pdf"),
    "mixed": [ToolOutputText(text="see"), ToolOutputImage(file_id="file_2")],
    "image as dict": {"type": "image", "image_url": "https://example.com/a.png"},
}


@pytest.mark.parametrize("what", OUTPUTS)
async def test_an_output_reaches_the_model_and_the_caller_as_it_was(what: str) -> None:
    @agents.function_tool
    async def tool() -> Any:
        return OUTPUTS[what]

    def look(result: Any) -> Any:
        items = [item for item in result.new_items if item.type == "tool_call_output_item"]
        assert [item.output for item in items] == [OUTPUTS[what]]
        assert [type(item.output) for item in items] == [type(OUTPUTS[what])]
        return [item.raw_item for item in items]

    await everywhere(agent_of(tool), look)


@pytest.mark.parametrize("behavior", ["stop_on_first_tool", {"stop_at_tool_names": ["tool"]}])
async def test_a_tools_output_as_final_output_keeps_its_type(behavior: Any) -> None:
    class Local(BaseModel):
        n: int

    async def tool() -> Local:
        return Local(n=3)

    tool.__annotations__["return"] = Local  # a name inside of a function cannot be looked up
    agent = agent_of(agents.function_tool(tool), tool_use_behavior=behavior, output_type=Local)

    def look(result: Any) -> str:
        assert type(result.final_output) is Local
        return repr(result.final_output)

    assert await everywhere(agent, look) == "Local(n=3)"


async def test_without_an_output_type_the_final_output_is_text_as_in_the_sdk() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    @agents.function_tool
    async def tool() -> Any:
        return Odd()

    agent = agent_of(tool, tool_use_behavior="stop_on_first_tool")
    assert await everywhere(agent, lambda r: r.final_output) == "odd"


async def test_an_output_that_would_change_the_result_of_the_run_is_refused() -> None:
    class Odd:
        pass

    @agents.function_tool
    async def tool() -> Any:
        return Odd()

    def decide(_: Any, results: Any) -> ToolsToFinalOutputResult:
        return ToolsToFinalOutputResult(is_final_output=True, final_output=str(results[0].output))

    agent = agent_of(tool, tool_use_behavior=decide)
    message = (await asked(asking(agent)).run()).failure.message
    assert "tool 'tool' returned a " in message
    assert "Odd" in message
    assert "tool_use_behavior" in message


# ---- failures


class Custom(Exception):
    """Cannot be rebuilt from the journal."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.lock = threading.Lock()


def fail(error: Callable[[], BaseException]) -> Any:
    async def tool() -> str:
        raise error()

    return tool


ERRORS: dict[str, Callable[[], BaseException]] = {
    "that can be rebuilt": lambda: ValueError("no"),
    "that cannot": lambda: Custom(3),
    "of the sdk": lambda: UserError("mine"),
    "a cancellation": lambda: asyncio.CancelledError("stop"),
}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("function", ["default", "custom"])
async def test_an_error_is_told_to_the_model_as_in_the_sdk(error: str, function: str) -> None:
    options: dict[str, Any] = {}
    if function == "custom":
        options["failure_error_function"] = lambda _ctx, error: f"sorry: {type(error).__name__} {error}"
    await everywhere(agent_of(agents.function_tool(**options)(fail(ERRORS[error]))), lambda r: r.final_output)


@pytest.mark.parametrize("error", list(ERRORS)[:3])
async def test_an_error_without_failure_function_ends_the_run_with_the_sdks_words(error: str) -> None:
    agent = agent_of(agents.function_tool(failure_error_function=None)(fail(ERRORS[error])))
    with pytest.raises(UserError) as plain:
        await Runner.run(agent, "hello")

    async def run(ctx: restate.Context, message: str) -> str:
        with pytest.raises(UserError) as caught:
            await DurableRunner.run(agent, message)
        return str(caught.value)

    assert value_of(await asked(run, suspend_always=True).run()) == str(plain.value)


async def test_arguments_that_do_not_fit_are_told_to_the_model() -> None:
    @agents.function_tool
    async def tool(n: int) -> str:
        return str(n)

    agent = agent_of(tool, calls=[ToolCall("tool", {"n": "many"})])
    assert "An error occurred" in await everywhere(agent, lambda r: r.final_output)


# ---- options


async def test_a_tool_is_tried_again_as_its_policy_says_and_the_model_hears_of_the_end() -> None:
    tries: list[str] = []

    @function_tool(retry=RetryPolicy(attempts_max=3, initial_delay_ms=1000))
    async def flaky(until: int) -> str:
        tries.append(idempotency_key())
        if len(tries) < until:
            raise ConnectionError("down")
        return f"up after {len(tries)}"

    server = asked(asking(agent_of(flaky, calls=[ToolCall("flaky", {"until": 3})])), suspend_always=True)
    assert value_of(await server.run()) == "up after 3"
    assert server.commands().count("Run flaky") == 3
    assert server.commands().count("Sleep") == 2
    assert len(tries) == 3
    assert len(set(tries)) == 1, "one key for all tries"
    tries.clear()
    server = asked(asking(agent_of(flaky, calls=[ToolCall("flaky", {"until": 9})])), suspend_always=True)
    assert "An error occurred while running the tool" in value_of(await server.run())
    assert len(tries) == 3


async def test_an_error_that_no_policy_names_is_told_to_the_model_at_once() -> None:
    tries: list[int] = []

    @function_tool(retry=RetryPolicy(), failure_error_function=lambda _c, e: f"sorry: {e}")
    async def strict() -> str:
        tries.append(1)
        raise ValueError("no")

    assert value_of(await asked(asking(agent_of(strict)), suspend_always=True).run()) == "sorry: no"
    assert len(tries) == 1


async def test_options_survive_every_way_to_copy_a_tool() -> None:
    policy = RetryPolicy(attempts_max=7)

    @function_tool(retry=policy, name_override="charge", strict_mode=False, once=True)
    async def tool(amount: int = 1) -> str:
        """Charge.

        Args:
            amount: in cents
        """
        return str(amount)

    theirs = agents.function_tool(name_override="charge", strict_mode=False)(tool.__wrapped__)
    assert type(tool) is FunctionTool
    assert tool.params_json_schema == theirs.params_json_schema
    assert tool.description == theirs.description == "Charge."
    [spaced] = tool_namespace(name="bank", description="Money.", tools=[tool])
    for each in (tool, dataclasses.replace(tool, name="pay"), copy.copy(tool), spaced):
        assert tool_options(each).retry is policy
        assert tool_options(each).once
        assert each.__wrapped__ is tool.__wrapped__
    assert not tool_options(theirs).once


async def test_outside_of_a_durable_run_the_tool_is_the_sdks() -> None:
    tries: list[int] = []

    @function_tool(retry=RetryPolicy(), failure_error_function=lambda _c, e: f"sorry: {e}")
    async def flaky() -> str:
        tries.append(1)
        raise ConnectionError("down")

    assert (await Runner.run(agent_of(flaky), "hello")).final_output == "sorry: down"
    assert len(tries) == 1


async def test_an_effect_is_claimed_before_it_starts() -> None:
    @function_tool(once=True)
    async def charge() -> str:
        return idempotency_key()

    server = asked(asking(agent_of(charge)), suspend_always=True)
    assert value_of(await server.run()).endswith("/call_0_0")
    assert server.commands()[2:4] == ["Run claim charge", "Run charge"]


# ---- timeouts


@pytest.mark.parametrize("way", ["default", "custom", "raise"])
async def test_a_timeout_ends_a_tool_that_is_a_step(way: str) -> None:
    options: dict[str, Any] = {
        "default": {},
        "custom": {"timeout_error_function": lambda _c, e: f"too slow: {e.timeout_seconds}"},
        "raise": {"timeout_behavior": "raise_exception"},
    }[way]

    @agents.function_tool(timeout=0.01, **options)
    async def slow() -> str:
        await asyncio.sleep(60)
        return "never"

    agent = agent_of(slow)
    if way != "raise":
        await everywhere(agent, lambda r: r.final_output)
        return

    async def run(ctx: restate.Context, message: str) -> list[Any]:
        with pytest.raises(ToolTimeoutError) as caught:
            await DurableRunner.run(agent, message)
        return [caught.value.tool_name, caught.value.timeout_seconds]

    assert value_of(await asked(run, suspend_always=True).run()) == ["slow", 0.01]


async def test_the_timeout_of_an_orchestrating_tool_is_a_durable_sleep() -> None:
    ended: list[str] = []

    @durable_tool(timeout=5)
    async def slow() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("slow")
        return "never"

    server = asked(
        asking(agent_of(slow)), suspend_always=True, choose=lambda names: names.index(min(names, key=len))
    )
    assert "timed out after 5" in value_of(await server.run())
    assert ended[-1] == "slow"


# ---- orchestrating tools


@pytest.mark.parametrize("context", ["none", "an object", "the restate context"])
async def test_a_durable_tool_makes_steps_of_its_own_whatever_the_context_is(context: str) -> None:
    @durable_tool
    async def book(wrapper: RunContextWrapper[Any], what: str) -> str:
        """Book it.

        Args:
            what: a trip
        """
        current = durable.current()
        assert current is not None
        assert (wrapper.context is current) == (context == "the restate context")
        hotel = await step("hotel", lambda: f"hotel {what}")
        await asyncio.sleep(60)
        awakeable, answer = current.awakeable()
        current.resolve_awakeable(awakeable, "yes")
        del answer
        return f"{hotel} {await step('flight', lambda: 'flight')}"

    theirs = agents.function_tool(book.__wrapped__)
    assert (book.params_json_schema, book.description) == (theirs.params_json_schema, theirs.description)
    agent = agent_of(book, calls=[ToolCall("book", {"what": name}) for name in ("a", "b")])

    async def run(ctx: restate.Context, message: str) -> str:
        given: Any = {"none": None, "an object": {"x": 1}, "the restate context": ctx}[context]
        return str((await DurableRunner.run(agent, message, context=given)).final_output)

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == "hotel a flight | hotel b flight"
    assert server.commands().count("Run hotel") == 2
    assert server.commands().count("Sleep") == 2
    assert "Run book" not in server.commands()


def test_a_durable_tool_is_async() -> None:
    with pytest.raises(UserError, match=r"needs an async function, and .*plain is none"):

        @durable_tool
        def plain() -> str:
            return ""


async def test_a_durable_tool_may_run_an_agent() -> None:
    inner = Agent(name="Inner", model=ScriptedModel(["from inner"]))

    @durable_tool
    async def ask() -> str:
        return str((await Runner.run(inner, "?")).final_output)

    assert value_of(await asked(asking(agent_of(ask)), suspend_always=True).run()) == "from inner"


# ---- how many at once


@pytest.mark.parametrize("cap", [None, 1, 2])
async def test_a_cap_on_concurrency_holds_live_and_on_replay(cap: int | None) -> None:
    running, most, order = 0, 0, []

    @agents.function_tool
    async def work(n: int) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005 * (3 - n % 3))
        running -= 1
        order.append(n)
        return str(n)

    calls = [ToolCall("work", {"n": n}) for n in range(5)]
    config = RunConfig(tool_execution=ToolExecutionConfig(max_function_tool_concurrency=cap))
    server = asked(asking(agent_of(work, calls=calls), run_config=config))
    assert value_of(await server.run()) == "0 | 1 | 2 | 3 | 4"
    assert most == (cap or 5)
    ran = list(order)
    again = asked(asking(agent_of(work, calls=calls), run_config=config))
    again.resume_from(server.journal[:-1])
    assert value_of(await again.run()) == "0 | 1 | 2 | 3 | 4"
    assert order == ran, "a replay runs no tool"
    replayed = asked(asking(agent_of(work, calls=calls), run_config=config), suspend_always=True)
    assert value_of(await replayed.run()) == "0 | 1 | 2 | 3 | 4"


async def test_a_tool_written_by_hand_is_a_step_too() -> None:
    calls: list[str] = []

    async def invoke(context: ToolContext[Any], arguments: str) -> str:
        calls.append(arguments)
        return context.tool_name + arguments

    tool = FunctionTool(
        name="raw", description="", params_json_schema={}, on_invoke_tool=invoke, strict_json_schema=False
    )
    server = asked(asking(agent_of(tool)), suspend_always=True)
    assert value_of(await server.run()) == "raw{}"
    assert "Run raw" in server.commands()
    assert calls == ["{}"]


# ---- what is offered, and what ends a run


async def test_a_flag_that_changes_while_the_run_waits_changes_no_turn_that_is_over() -> None:
    asked_for: list[str] = []
    flag = True

    async def enabled(wrapper: RunContextWrapper[Any], agent: Any) -> bool:
        asked_for.append(agent.name)
        await asyncio.sleep(0)  # real I/O is fine here: it is in a step
        wrapper.context["asked"] = wrapper.context.get("asked", 0) + 1
        return flag

    @agents.function_tool(is_enabled=enabled)
    async def premium() -> str:
        nonlocal flag
        flag = False
        return "gold"

    @agents.function_tool(is_enabled=False)
    async def never() -> str:
        return ""

    offered: list[list[str]] = []

    class Looking(ScriptedModel):
        async def get_response(self, *args: Any, **options: Any) -> Any:
            offered.append([tool.name for tool in options["tools"]])
            return await super().get_response(*args, **options)

    agent = Agent(name="A", tools=[premium, never], model=Looking([ToolCall("premium"), last_outputs]))

    async def run(ctx: restate.Context, message: str) -> list[Any]:
        context: dict[str, int] = {}
        return [(await DurableRunner.run(agent, message, context=context)).final_output, context]

    plain: dict[str, int] = {}
    await Runner.run(agent, "hello", context=plain)
    flag = True
    asked_for.clear()
    offered.clear()
    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == ["gold", plain]
    assert offered == [["premium"], []]
    assert len(asked_for) == plain["asked"] == server.commands().count("Run enabled tools")
    assert premium.is_enabled is enabled


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_function_that_ends_the_run_is_asked_once(is_async: bool) -> None:
    asked_for: list[int] = []

    @agents.function_tool
    async def city(n: int) -> City:
        return City(name=f"c{n}")

    def decide(wrapper: Any, results: Any) -> ToolsToFinalOutputResult:
        asked_for.append(len(results))
        final = len(asked_for) % 2 == 0
        return ToolsToFinalOutputResult(
            is_final_output=final, final_output=results[-1].output if final else None
        )

    async def decide_async(wrapper: Any, results: Any) -> ToolsToFinalOutputResult:
        await asyncio.sleep(0)
        return decide(wrapper, results)

    agent = Agent(
        name="A",
        tools=[city],
        tool_use_behavior=decide_async if is_async else decide,
        output_type=City,
        model=ScriptedModel([[ToolCall("city", {"n": n}) for n in range(2)], [ToolCall("city", {"n": 2})]]),
    )
    assert await everywhere(agent, lambda r: repr(r.final_output)) == "City(name='c2', degrees=20)"
    assert asked_for == [2, 1] * 3


async def test_a_run_that_ends_with_what_a_function_made() -> None:
    @agents.function_tool
    async def tool() -> str:
        return "x"

    def decide(_: Any, results: Any) -> Any:
        return ToolsToFinalOutputResult(is_final_output=True, final_output=Person(results[0].output, []))

    agent = agent_of(tool, tool_use_behavior=decide, output_type=Person)
    assert await everywhere(agent, lambda r: repr(r.final_output)) == "Person(name='x', friends=[])"


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_handlers_own_context_is_refused_in_a_tool_that_is_a_step(is_async: bool) -> None:
    async def run(ctx: restate.ObjectContext, message: str) -> Any:
        async def book() -> str:
            return await ctx.run_typed("book", lambda: "booked")

        def note() -> str:
            ctx.set("note", "taken")
            return "noted"

        agent = agent_of(agents.function_tool(book if is_async else note))
        return (await DurableRunner.run(agent, message)).final_output

    server = asked(run, suspend_always=True)
    message = (await server.run()).failure.message
    assert f"the step {'book' if is_async else 'note'!r} used the handler's own restate context" in message
    assert "durable_tool" in message
    assert server.commands()[2:] == [f"Run {'book' if is_async else 'note'}", "Output"]
