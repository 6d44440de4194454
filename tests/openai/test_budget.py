"""A budget stops a run before a model call that it cannot pay, whoever in the run asks for it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import restate
from agents import (
    Agent,
    AgentsException,
    RunContextWrapper,
    Runner,
    Usage,
    function_tool,
    set_tracing_disabled,
)
from journal_server import JournalServer, value_of

from perdure import Budget, BudgetExceeded, DurableOptions, DurableRunner, Price, durable_tool, spent
from perdure.errors import NotDurable
from perdure.openai import Spent, durable
from perdure.openai.budget import Ledger
from perdure.protocol.messages import MessageType
from perdure.testing import harness
from perdure.testing.scripted_model import ScriptedModel, ToolCall, Turn

pytestmark = pytest.mark.anyio

PRICES = {"gpt-x": Price(input=1_000, output=10_000)}  # USD a million: a call of 10 + 5 tokens costs 0.06


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@function_tool
async def lookup() -> str:
    return "found"


class NamedModel(ScriptedModel):
    model = "gpt-x"


def endless(**options: Any) -> Agent[Any]:
    """It never comes to an end by itself. Each of its calls costs 15 tokens."""
    return Agent(name="Endless", tools=[lookup], model=NamedModel([ToolCall("lookup")], **options))


def asked(handler: Any, **options: Any) -> JournalServer:
    service = restate.Service("Agent")
    service.handler("run")(handler)
    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


def told(error: BudgetExceeded) -> list[Any]:
    return [str(error), error.spent.calls, error.spent.tokens, round(error.spent.usd, 4)]


def running(agent: Agent[Any], budget: Budget, **options: Any) -> Any:
    async def run(ctx: restate.Context, message: str) -> Any:
        durable_options = DurableOptions(budget=budget)
        try:
            result = await DurableRunner.run(agent, message, options=durable_options, **options)
        except BudgetExceeded as error:
            return told(error)
        return [result.final_output, spent().calls, spent().tokens, round(spent().usd, 4)]

    return run


# ---- each limit


async def test_calls_are_limited_exactly_and_counted_once_however_often_they_replay() -> None:
    agent = endless()
    server = asked(running(agent, Budget(calls=3)), suspend_always=True)
    message, calls, tokens, _ = value_of(await server.run())
    assert message == "the budget is used up: 3 of 3 model calls; no further model call is made"
    assert (calls, tokens) == (3, 45)
    assert len(agent.model.calls) == 3  # type: ignore[union-attr, arg-type]
    assert server.commands().count("Run call LLM") == 3


async def test_tokens_are_exceeded_by_one_call_at_most() -> None:
    message, calls, tokens, _ = value_of(await asked(running(endless(), Budget(tokens=31))).run())
    assert message.startswith("the budget is used up: 45 of 31 tokens")
    assert (calls, tokens) == (3, 45)


async def test_a_budget_that_is_met_exactly_is_used_up() -> None:
    answer = value_of(await asked(running(endless(), Budget(tokens=30))).run())
    assert answer[1:3] == [2, 30]


async def test_money() -> None:
    budget = Budget(usd=0.10, prices=PRICES)
    message, calls, _, usd = value_of(await asked(running(endless(), budget), suspend_always=True).run())
    assert message.startswith("the budget is used up: 0.1200 of 0.1000 USD")
    assert (calls, usd) == (2, 0.12)


async def test_within_its_budget_a_run_ends_as_without() -> None:
    agent = Agent(name="A", tools=[lookup], model=NamedModel([ToolCall("lookup"), "done"]))
    budget = Budget(tokens=1000, usd=1, calls=10, prices=PRICES)
    assert value_of(await asked(running(agent, budget), suspend_always=True).run()) == ["done", 2, 30, 0.12]


# ---- who shares it


async def test_nested_agents_and_parallel_tools_share_it_and_calls_are_not_overshot() -> None:
    inner = Agent(name="Inner", model=NamedModel(["inner says"]))
    tools = [inner.as_tool(f"ask_{n}", "Ask.", failure_error_function=None) for n in range(4)]
    outer = Agent(
        name="Outer",
        tools=tools,
        model=NamedModel([[ToolCall(f"ask_{n}", {"input": "?"}) for n in range(4)]]),
    )
    server = asked(running(outer, Budget(calls=3)), suspend_always=True)
    assert value_of(await server.run())[0].startswith("the budget is used up: 3 of 3 model calls")
    assert server.commands().count("Run call LLM") == 3, "one of the outer agent, two of the four inner ones"


async def test_a_run_inside_has_a_budget_of_its_own_and_both_pay() -> None:
    sub = endless()

    async def handler(ctx: restate.Context, message: str) -> Any:
        stopped = []
        for calls in (2, 10):
            try:
                await DurableRunner.run(sub, message, options=DurableOptions(budget=Budget(calls=calls)))
            except BudgetExceeded as error:
                stopped.append([error.budget.calls, error.spent.calls])
        return [stopped, spent().calls]

    server = asked(durable(options=DurableOptions(budget=Budget(calls=5)))(handler), suspend_always=True)
    assert value_of(await server.run()) == [[[2, 2], [5, 5]], 5]


async def test_runs_of_one_handler_each_have_what_their_options_say() -> None:
    options = DurableOptions(budget=Budget(calls=2))

    async def handler(ctx: restate.Context, message: str) -> Any:
        stopped = []
        for _ in range(2):
            try:
                await DurableRunner.run(endless(), message, options=options)
            except BudgetExceeded as error:
                stopped.append(error.spent.calls)
        return [stopped, spent().calls]

    assert value_of(await asked(handler).run()) == [[2, 2], 4]


# ---- what the caller gets


async def test_it_is_an_error_of_the_sdk_with_what_the_run_has_brought() -> None:
    seen: list[Any] = []

    async def handler(ctx: restate.Context, message: str) -> str:
        try:
            await DurableRunner.run(endless(), message, options=DurableOptions(budget=Budget(calls=1)))
        except AgentsException as error:
            seen.append(error.run_data and len(error.run_data.new_items))
        return "handled"

    assert value_of(await asked(handler).run()) == "handled"
    assert seen == [2], "a tool call and its output"


async def test_if_nobody_catches_it_the_invocation_fails_and_is_not_retried() -> None:
    async def handler(ctx: restate.Context, message: str) -> str:
        await DurableRunner.run(endless(), message, options=DurableOptions(budget=Budget(calls=1)))
        return "never"

    server = asked(handler)
    assert "the budget is used up: 1 of 1 model calls" in (await server.run()).failure.message
    assert server.attempts == 1


async def test_an_inner_run_whose_own_budget_is_used_up_is_an_error_of_the_tool_that_asked() -> None:
    inner = endless()

    @function_tool(failure_error_function=lambda _ctx, error: f"gave up: {error}")
    async def ask(wrapper: RunContextWrapper[restate.Context]) -> str:
        result = await DurableRunner.run(inner, "?", options=DurableOptions(budget=Budget(calls=2)))
        return str(result.final_output)

    script: list[Turn] = [ToolCall("ask"), lambda items: str(items[-1]["output"])]  # type: ignore[index,call-overload]
    outer = Agent(name="Outer", tools=[ask], model=NamedModel(script))

    async def handler(ctx: restate.Context, message: str) -> Any:
        return [(await DurableRunner.run(outer, message, context=ctx)).final_output, spent().calls]

    output, calls = value_of(await asked(handler, suspend_always=True).run())
    assert "gave up: the budget is used up: 2 of 2 model calls" in output
    assert calls == 4


async def test_spent_is_known_only_in_a_handler() -> None:
    with pytest.raises(NotDurable, match="outside of a restate handler"):
        spent()


# ---- what cannot be kept


async def test_a_budget_in_money_needs_a_price_before_anything_is_paid() -> None:
    model = ScriptedModel(["hi"])
    model.model = "gpt-y"  # type: ignore[attr-defined]
    server = asked(running(Agent(name="A", model=model), Budget(usd=1, prices=PRICES)))
    message = (await server.run()).failure.message
    assert "there is no price for model 'gpt-y'" in message
    assert "Budget(usd=..., prices={'gpt-y': Price(input=..., output=...)})" in message
    assert "Known: gpt-x" in message
    assert model.calls == []


async def test_no_error_text_for_a_model_hides_a_missing_price() -> None:
    inner = Agent(name="Inner", model=ScriptedModel(["hi"]))
    script: list[Turn] = [ToolCall("ask", {"input": "?"}), "the model would go on"]
    outer = Agent(name="Outer", tools=[inner.as_tool("ask", "Ask.")], model=NamedModel(script))
    message = (await asked(running(outer, Budget(usd=1, prices=PRICES))).run()).failure.message
    assert "there is no price for model None" in message


async def test_a_model_that_tells_no_usage_cannot_have_a_budget_of_tokens() -> None:
    class Silent(NamedModel):
        async def get_response(self, *args: Any, **options: Any) -> Any:
            answer = await super().get_response(*args, **options)
            answer.usage = Usage()
            return answer

    def run(budget: Budget) -> JournalServer:
        return asked(running(Agent(name="A", model=Silent(["hi"])), budget))

    message = (await run(Budget(tokens=100)).run()).failure.message
    assert "answered without saying how many tokens it used" in message
    assert value_of(await run(Budget(calls=1)).run())[0] == "hi"


# ---- the process dies


async def test_a_call_paid_again_after_a_crash_is_counted_apart() -> None:
    in_flight, answer = asyncio.Event(), asyncio.Event()

    async def before_answer(_turn: int) -> None:
        in_flight.set()
        await answer.wait()

    model = NamedModel([ToolCall("lookup"), "done"], before_answer)
    agent = Agent(name="A", tools=[lookup], model=model)

    async def handler(ctx: restate.Context, message: str) -> Any:
        await DurableRunner.run(agent, message)
        return [spent().calls, spent().tokens, spent().calls_again, spent().tokens_again]

    server = asked(handler)
    attempt = asyncio.ensure_future(server.attempt())
    await asyncio.wait_for(in_flight.wait(), 5)
    attempt.cancel()
    await asyncio.wait([attempt])
    answer.set()
    server.suspend_always = True
    assert value_of(await server.run()) == [2, 30, 1, 15]
    assert model.calls == [0, 0, 1]
    answers = [json.loads(c.value.content) for c in server.entries(MessageType.RUN_COMPLETION)]
    assert [entry.get("again", False) for entry in answers] == [True, False, False]


@pytest.mark.parametrize("always_replay", [False, True])
async def test_without_a_crash_no_call_was_made_again(always_replay: bool) -> None:
    async def slow(turn: int) -> None:
        await asyncio.sleep(0.1)

    inner = [Agent(name=f"Inner{n}", model=NamedModel(["hm"], slow)) for n in range(3)]
    script: list[Turn] = [[ToolCall(f"ask_{n}", {"input": "?"}) for n in range(3)], "done"]
    tools = [agent.as_tool(f"ask_{n}", "Ask.") for n, agent in enumerate(inner)]
    outer = Agent(name="Outer", tools=tools, model=NamedModel(script, slow))
    service = restate.Service("Agent")

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> list[int]:
        await DurableRunner.run(outer, message)
        return [spent().calls, spent().calls_again]

    async with harness(restate.app([service]), always_replay=always_replay) as h:
        assert await h.call("Agent/run", "hello") == [5, 0]
    assert sum(len(agent.model.calls) for agent in (outer, *inner)) == 5  # type: ignore[union-attr,arg-type]


def test_a_ledger_adds_up_every_field() -> None:
    ledger = Ledger(Budget())
    names = vars(Spent())
    for _ in range(2):
        ledger.charge(Spent(**dict.fromkeys(names, 3)))
    assert vars(ledger.spent) == dict.fromkeys(names, 6)


# ---- runs that no budget can count


async def colleague(question: str) -> str:
    return str(
        (await Runner.run(Agent(name="Colleague", model=ScriptedModel(["42"])), question)).final_output
    )


@function_tool
async def ask_colleague(question: str) -> str:
    return await colleague(question)  # in a roundabout way, which does not show in the tool itself


def asking(tool: Any) -> Agent[Any]:
    return Agent(
        name="Boss",
        tools=[tool],
        model=NamedModel([ToolCall("ask_colleague", {"question": "why?"}), "done"]),
    )


@pytest.mark.parametrize("suspend_always", [False, True])
async def test_a_run_inside_of_a_plain_tool_is_refused_where_there_is_a_budget(suspend_always: bool) -> None:
    """Without a budget it is what the tool does, one entry, and a warning: see test_agents_in_steps."""
    server = asked(running(asking(ask_colleague), Budget(calls=9)), suspend_always=suspend_always)
    failure = (await server.run()).failure
    assert "agent 'Colleague' was run inside the step 'ask_colleague'" in failure.message
    assert "@perdure.durable_tool" in failure.message

    async def run(ctx: restate.Context, message: str) -> Any:
        return (await DurableRunner.run(asking(ask_colleague), message)).final_output

    assert value_of(await asked(run, suspend_always=suspend_always).run()) == "done"


async def test_a_run_inside_of_a_durable_tool_is_counted() -> None:
    @durable_tool
    async def ask_colleague(question: str) -> str:
        agent = Agent(name="Colleague", model=NamedModel(["42"]))
        return str((await Runner.run(agent, question)).final_output)

    server = asked(running(asking(ask_colleague), Budget(calls=9)), suspend_always=True)
    assert value_of(await server.run())[:2] == ["done", 3]
