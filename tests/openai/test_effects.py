"""A tool with once=True is not started again behind the user's back, and no text for a model hides that."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import restate
from agents import Agent, AgentsException, RunContextWrapper, set_tracing_disabled
from journal_server import JournalServer, value_of

from perdure import (
    ASK_HUMAN,
    DurableRunner,
    Happened,
    NotHappened,
    durable_tool,
    effect,
    function_tool,
    idempotency_key,
)
from perdure.errors import EffectUnknown
from perdure.protocol.messages import MessageType
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


class Bank:
    """Pays, and remembers each start with its idempotency key."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.started = asyncio.Event()
        self.answer = asyncio.Event()

    async def pay(self, amount: int) -> str:
        self.keys.append(idempotency_key())
        self.started.set()
        await self.answer.wait()
        return f"paid {amount}"


@pytest.fixture
def bank() -> Bank:
    return Bank()


def last_output(conversation: Input) -> str:
    items: list[Any] = list(conversation)
    return str(items[-1]["output"])


def paying_tool(bank: Bank, **options: Any) -> Any:
    async def pay(amount: int) -> str:
        """Pay."""
        return await bank.pay(amount)

    return function_tool(once=True, **options)(pay)


def agent_with(tool: Any, call: ToolCall | None = None) -> Agent[Any]:
    script = [call or ToolCall("pay", {"amount": 5}), last_output]
    return Agent(name="Payer", tools=[tool], model=ScriptedModel(script))


def asked(agent: Agent[Any], context: bool = False, **options: Any) -> JournalServer:
    service = restate.Service("Agent")

    @service.handler()
    async def run(ctx: restate.Context, message: str) -> Any:
        try:
            given: Any = ctx if context else None
            return (await DurableRunner.run(agent, message, context=given)).final_output
        except EffectUnknown as unknown:
            sdks = isinstance(unknown, AgentsException) and unknown.run_data is not None
            return ["unknown", unknown.effect, unknown.key, sdks]

    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


async def lost_while_it_pays(server: JournalServer, bank: Bank) -> JournalServer:
    """The attempt ends after the tool has started and before its record, as in a crash."""
    attempt = asyncio.ensure_future(server.attempt())
    await asyncio.wait_for(bank.started.wait(), 5)
    attempt.cancel()
    await asyncio.wait([attempt])
    bank.answer.set()
    return server


async def test_a_tool_that_goes_well_is_claimed_and_called_once(bank: Bank) -> None:
    bank.answer.set()
    server = asked(agent_with(paying_tool(bank)), suspend_always=True)
    assert value_of(await server.run()) == "paid 5"
    assert server.commands() == [
        "Input",
        "Run call LLM",
        "Run claim pay",
        "Run pay",
        "Run call LLM",
        "Output",
    ]
    assert bank.keys == ["inv_1/call_0_0"]


async def test_calls_to_which_a_model_gives_the_same_id_have_different_keys(bank: Bank) -> None:
    bank.answer.set()
    inner = agent_with(paying_tool(bank))
    outer = Agent(
        name="Outer",
        tools=[inner.as_tool("a", "A."), inner.as_tool("b", "B."), paying_tool(bank)],
        model=ScriptedModel(
            [[ToolCall(n, {"input": "?"}) for n in "ab"], ToolCall("pay", {"amount": 1}), "ok"]
        ),
    )
    await asked(outer, suspend_always=True).run()
    assert sorted(bank.keys) == ["inv_1/call_0_0", "inv_1/call_0_0/2", "inv_1/call_1_0"]


async def test_a_lost_outcome_ends_the_run_and_the_caller_may_catch_it(bank: Bank) -> None:
    server = await lost_while_it_pays(asked(agent_with(paying_tool(bank))), bank)
    server.suspend_always = True
    assert value_of(await server.run()) == ["unknown", "pay", "inv_1/call_0_0", True]
    assert len(bank.keys) == 1


async def test_not_even_an_agent_as_a_tool_makes_text_for_the_model_of_it(bank: Bank) -> None:
    inner = agent_with(paying_tool(bank))
    outer = Agent(
        name="Outer",
        tools=[inner.as_tool("ask", "Ask.")],
        model=ScriptedModel([ToolCall("ask", {"input": "?"}), "the model would try again"]),
    )
    server = await lost_while_it_pays(asked(outer), bank)
    assert value_of(await server.run()) == ["unknown", "pay", "inv_1/call_0_0", True]


async def test_nor_does_a_tool_that_orchestrates_an_effect(bank: Bank) -> None:
    @durable_tool
    async def settle() -> str:
        return await effect("pay", bank.pay, 5)

    server = await lost_while_it_pays(asked(agent_with(settle, ToolCall("settle"))), bank)
    assert value_of(await server.run()) == ["unknown", "pay", "inv_1/pay", True]


async def test_a_tool_may_handle_it_itself(bank: Bank) -> None:
    @durable_tool
    async def settle() -> str:
        try:
            return await effect("pay", bank.pay, 5)
        except EffectUnknown:
            return "somebody will look"

    server = await lost_while_it_pays(asked(agent_with(settle, ToolCall("settle"))), bank)
    assert value_of(await server.run()) == "somebody will look"


async def test_by_choice_it_is_called_again_with_the_same_key(bank: Bank) -> None:
    server = await lost_while_it_pays(asked(agent_with(paying_tool(bank, on_unknown="retry"))), bank)
    assert value_of(await server.run()) == "paid 5"
    assert bank.keys == ["inv_1/call_0_0"] * 2


@pytest.mark.parametrize("happened", [True, False])
async def test_by_choice_a_function_finds_out(bank: Bank, happened: bool) -> None:
    async def look_up(key: str) -> Happened[str] | NotHappened:
        return Happened(f"found {key}") if happened else NotHappened()

    server = await lost_while_it_pays(asked(agent_with(paying_tool(bank, on_unknown=look_up))), bank)
    server.suspend_always = True
    assert value_of(await server.run()) == ("found inv_1/call_0_0" if happened else "paid 5")
    assert len(bank.keys) == (1 if happened else 2)


def announcement(server: JournalServer) -> dict[str, Any]:
    values = [json.loads(c.value.content) for c in server.entries(MessageType.RUN_COMPLETION)]
    found: dict[str, Any] = next(v["ok"] for v in values if "awakeable_id" in str(v))
    return found


@pytest.mark.parametrize(
    ("decision", "answer", "starts"),
    [
        ({"approved": True}, "paid 5", 2),
        ({"approved": False, "message": "paid on Monday"}, "paid on Monday", 1),
        ({"approved": False}, ["unknown", "pay", "inv_1/call_0_0", True], 1),
    ],
)
async def test_by_choice_a_human_decides(
    bank: Bank, decision: dict[str, Any], answer: Any, starts: int
) -> None:
    server = await lost_while_it_pays(asked(agent_with(paying_tool(bank, on_unknown=ASK_HUMAN))), bank)
    assert await server.attempt() is None, "it waits"
    question = announcement(server)
    assert question["tool"] == "pay"
    assert question["arguments"] == {"amount": 5}
    assert "inv_1/call_0_0" in question["reason"]
    server.resolve_awakeable(question["awakeable_id"], json.dumps(decision).encode())
    assert value_of(await server.run()) == answer
    assert len(bank.keys) == starts


async def test_a_tool_that_orchestrates_cannot_be_claimed_as_a_whole(bank: Bank) -> None:
    @function_tool(once=True)
    async def pay(wrapper: RunContextWrapper[restate.Context], amount: int) -> str:
        return await bank.pay(amount)

    message = (await asked(agent_with(pay), context=True).run()).failure.message
    assert "tool 'pay' has once=True, and orchestrates steps" in message
    assert bank.keys == []
