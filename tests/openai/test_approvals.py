"""A tool that needs approval: the run suspends until a human decides, and then goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import restate
from agents import Agent, FunctionTool, RunConfig, Runner, SQLiteSession, function_tool, set_tracing_disabled
from agents.run_state import RunState
from human import announced, decided_by, suspended
from journal_server import JournalServer, value_of

from perdure import DurableOptions, DurableRunner
from perdure.errors import NotDurable
from perdure.openai import Question, ask_human, durable
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio

YES = b'{"approved": true}'
NO = b'{"approved": false}'


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@pytest.fixture
def paid() -> list[str]:
    return []


@pytest.fixture
def pay(paid: list[str]) -> FunctionTool:
    @function_tool(needs_approval=True)
    async def pay(to: str, euros: int) -> str:
        """Pay somebody."""
        paid.append(f"{to} {euros}")
        return f"paid {to}"

    return pay


def asked(handler: Any, **options: Any) -> JournalServer:
    service = restate.Service("Agent")
    service.handler("run")(handler)
    app = restate.app([service])
    return JournalServer(app, "/invoke/Agent/run", request=b'"hello"', suspend_always=True, **options)


def running(agent: Agent[Any], **options: Any) -> JournalServer:
    async def run(ctx: restate.Context, message: str) -> Any:
        return (await DurableRunner.run(agent, message, **options)).final_output

    return asked(run)


def last_outputs(conversation: Any) -> str:
    """What the model reads of the last turn's tools."""
    outputs = [item["output"] for item in conversation if item.get("type") == "function_call_output"]
    return " | ".join(outputs[-2:])


async def test_arguments_of_any_size_wait_for_a_human(pay: FunctionTool, paid: list[str]) -> None:
    name = "x" * 300_000  # more than an event of a stream may hold
    model = ScriptedModel([ToolCall("pay", {"to": name, "euros": 5}), "Paid."])
    server = running(Agent(name="Clerk", model=model, tools=[pay]))

    assert await suspended(server) is None
    (question,) = announced(server)
    assert question["arguments"] == {"to": name, "euros": 5}
    assert value_of(await decided_by(server, lambda _question: YES)) == "Paid."
    assert paid == [f"{name} 5"]


async def test_the_run_suspends_until_the_call_is_approved(pay: FunctionTool, paid: list[str]) -> None:
    model = ScriptedModel([ToolCall("pay", {"to": "Ada", "euros": 5}), last_outputs])
    server = running(Agent(name="Clerk", model=model, tools=[pay]))

    assert await suspended(server) is None
    assert await suspended(server) is None, "a replay asks nothing anew"
    assert paid == []
    (question,) = announced(server)
    assert question["awakeable_id"].startswith("sign_1")
    assert {
        name: question[name] for name in ("version", "tool", "arguments", "call_id", "agent", "agents")
    } == {
        "version": 1,
        "tool": "pay",
        "arguments": {"to": "Ada", "euros": 5},
        "call_id": "call_0_0",
        "agent": "Clerk",
        "agents": ["Clerk"],
    }

    server.resolve_awakeable(question["awakeable_id"], YES)
    assert value_of(await server.run()) == "paid Ada"
    assert paid == ["Ada 5"]
    assert model.calls == [0, 1]
    assert server.commands() == [
        "Input",
        "Run call LLM",
        "Run approval pay",
        "Run pay",
        "Run call LLM",
        "Output",
    ]


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (b'{"approved": false, "message": "too much"}', "too much"),
        (NO, "Tool execution was not approved."),
        ("the awakeable was rejected", "the awakeable was rejected"),
    ],
)
async def test_the_model_reads_why_a_call_was_rejected(
    pay: FunctionTool, paid: list[str], answer: bytes | str, read: str
) -> None:
    model = ScriptedModel([ToolCall("pay", {"to": "Ada", "euros": 5}), last_outputs])
    server = running(Agent(name="Clerk", model=model, tools=[pay]))
    assert value_of(await decided_by(server, lambda _question: answer)) == read
    assert paid == []


async def test_the_tool_error_formatter_words_a_rejection(pay: FunctionTool) -> None:
    model = ScriptedModel([ToolCall("pay", {"to": "Ada", "euros": 5}), last_outputs])
    config = RunConfig(tool_error_formatter=lambda error: f"{error.tool_name}: ask your boss")
    server = running(Agent(name="Clerk", model=model, tools=[pay]), run_config=config)
    assert value_of(await decided_by(server, lambda _question: NO)) == "pay: ask your boss"


async def test_a_function_decides_which_calls_need_approval(paid: list[str]) -> None:
    async def is_dear(_context: Any, arguments: dict[str, Any], _call_id: str) -> bool:
        return bool(arguments["euros"] > 100)

    @function_tool(needs_approval=is_dear)
    async def pay(to: str, euros: int) -> str:
        paid.append(to)
        return f"paid {to}"

    calls = [ToolCall("pay", {"to": "Ada", "euros": 5}), ToolCall("pay", {"to": "Bob", "euros": 500})]
    agent = Agent(name="Clerk", model=ScriptedModel([calls, last_outputs]), tools=[pay])
    server = running(agent)
    assert await suspended(server) is None
    assert paid == ["Ada"], "what needs no approval does not wait for what does"
    assert value_of(await decided_by(server, lambda _question: YES)) == "paid Ada | paid Bob"
    assert paid == ["Ada", "Bob"]


@pytest.mark.parametrize("backwards", [False, True])
async def test_all_questions_of_a_turn_are_asked_at_once_and_answered_in_any_order(
    pay: FunctionTool, paid: list[str], backwards: bool
) -> None:
    calls = [ToolCall("pay", {"to": name, "euros": 5}) for name in ("Ada", "Bob", "Cy")]
    model = ScriptedModel([calls, lambda i: " | ".join(item["output"] for item in i[-3:])])
    server = running(Agent(name="Clerk", model=model, tools=[pay]))
    assert await suspended(server) is None
    assert [question["arguments"]["to"] for question in announced(server)] == ["Ada", "Bob", "Cy"]

    def not_bob(question: dict[str, Any]) -> bytes:
        return NO if question["arguments"]["to"] == "Bob" else YES

    output = await decided_by(server, not_bob, backwards=backwards)
    assert value_of(output) == "paid Ada | Tool execution was not approved. | paid Cy"
    assert sorted(paid) == ["Ada 5", "Cy 5"]


async def test_the_run_goes_on_when_the_last_question_is_answered(pay: FunctionTool, paid: list[str]) -> None:
    calls = [ToolCall("pay", {"to": name, "euros": 5}) for name in ("Ada", "Bob")]
    server = running(Agent(name="Clerk", model=ScriptedModel([calls, last_outputs]), tools=[pay]))
    assert await suspended(server) is None
    first, second = announced(server)
    server.resolve_awakeable(second["awakeable_id"], YES)
    assert await suspended(server) is None
    assert paid == []
    server.resolve_awakeable(first["awakeable_id"], YES)
    assert value_of(await server.run()) == "paid Ada | paid Bob"


async def test_an_agent_asks_again_in_each_turn_that_needs_it(pay: FunctionTool, paid: list[str]) -> None:
    script = [*(ToolCall("pay", {"to": name, "euros": 5}) for name in ("Ada", "Bob")), "done"]
    server = running(Agent(name="Clerk", model=ScriptedModel(script), tools=[pay]))
    assert value_of(await decided_by(server, lambda _question: YES)) == "done"
    assert [question["arguments"]["to"] for question in announced(server)] == ["Ada", "Bob"]
    assert paid == ["Ada 5", "Bob 5"]


@pytest.mark.parametrize(("answer", "outcome"), [(True, ["Ada 5", "Bob 5"]), (False, [])])
async def test_always_answers_the_later_calls_of_the_tool_too(
    pay: FunctionTool, paid: list[str], answer: bool, outcome: list[str]
) -> None:
    script = [*(ToolCall("pay", {"to": name, "euros": 5}) for name in ("Ada", "Bob")), "done"]
    server = running(Agent(name="Clerk", model=ScriptedModel(script), tools=[pay]))
    always = json.dumps({"approved": answer, "always": True}).encode()
    assert value_of(await decided_by(server, lambda _question: always)) == "done"
    assert len(announced(server)) == 1
    assert paid == outcome


async def test_always_does_not_overrule_what_was_said_of_a_call_of_the_same_turn(
    pay: FunctionTool, paid: list[str]
) -> None:
    calls = [ToolCall("pay", {"to": name, "euros": 5}) for name in ("Ada", "Bob")]
    server = running(Agent(name="Clerk", model=ScriptedModel([calls, last_outputs]), tools=[pay]))

    def decide(question: dict[str, Any]) -> bytes:
        if question["arguments"]["to"] == "Ada":
            return b'{"approved": false, "message": "not Ada"}'
        return b'{"approved": true, "always": true}'

    assert value_of(await decided_by(server, decide)) == "not Ada | paid Bob"
    assert paid == ["Bob 5"]


@pytest.mark.parametrize(
    "bad",
    [
        *(b"", b"yes", b"null", b"true", b"[]", b"{}", b"\xff\x00"),
        *(b'{"approved": "true"}', b'{"approved": 1}', b'{"aproved": true}'),
        b'{"approved": true, "always": "no"}',
    ],
)
async def test_what_is_no_decision_is_not_taken_for_one(
    pay: FunctionTool, paid: list[str], bad: bytes
) -> None:
    model = ScriptedModel([ToolCall("pay", {"to": "Ada", "euros": 5}), last_outputs])
    server = running(Agent(name="Clerk", model=model, tools=[pay]))
    assert value_of(await decided_by(server, lambda question: NO if "problem" in question else bad))
    assert paid == []
    first, second = announced(server)
    assert "problem" not in first
    assert "was no decision" in second["problem"]
    assert second["arguments"] == first["arguments"]
    assert second["awakeable_id"] != first["awakeable_id"]


def clerks(pay: FunctionTool, depth: int) -> tuple[Agent[Any], list[ScriptedModel]]:
    """An agent that asks an agent that asks ... an agent that pays."""
    models = [ScriptedModel([ToolCall("pay", {"to": "Ada", "euros": 5}), last_outputs])]
    agent: Agent[Any] = Agent(name=f"Clerk {depth}", model=models[0], tools=[pay])
    for level in range(depth - 1, -1, -1):
        models.append(ScriptedModel([ToolCall("ask", {"input": "pay Ada"}), last_outputs]))
        agent = Agent(name=f"Clerk {level}", model=models[-1], tools=[agent.as_tool("ask", "Ask.")])
    return agent, models


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_a_call_of_an_agent_as_tool_is_approved_at_any_depth(
    pay: FunctionTool, paid: list[str], depth: int
) -> None:
    agent, models = clerks(pay, depth)
    server = running(agent)
    assert value_of(await decided_by(server, lambda _question: YES)) == "paid Ada"
    (question,) = announced(server)
    assert question["agent"] == f"Clerk {depth}"
    assert question["agents"] == [f"Clerk {level}" for level in range(depth + 1)]
    assert paid == ["Ada 5"]
    assert [model.calls for model in models] == [[0, 1]] * (depth + 1), "no model is asked twice"


async def test_agents_as_tools_in_parallel_are_approved_and_rejected_apart(
    pay: FunctionTool, paid: list[str]
) -> None:
    payers = [
        Agent(
            name=name,
            model=ScriptedModel([ToolCall("pay", {"to": name, "euros": 5}), last_outputs]),
            tools=[pay],
        )
        for name in ("Ada", "Bob")
    ]
    tools = [*(payer.as_tool(f"ask_{payer.name}", "Ask.") for payer in payers), pay]
    calls = [
        *(ToolCall(f"ask_{payer.name}", {"input": "?"}) for payer in payers),
        ToolCall("pay", {"to": "Cy", "euros": 1}),
    ]
    script = ScriptedModel([calls, lambda i: " | ".join(item["output"] for item in i[-3:])])
    server = running(Agent(name="Boss", model=script, tools=tools))

    def only_bob(question: dict[str, Any]) -> bytes:
        return YES if question["arguments"]["to"] == "Bob" else b'{"approved": false, "message": "no"}'

    output = await decided_by(server, only_bob, backwards=True)
    assert value_of(output) == "no | paid Bob | no"
    assert paid == ["Bob 5"]
    assert sorted(question["agents"] for question in announced(server)) == [
        ["Boss"],
        ["Boss", "Ada"],
        ["Boss", "Bob"],
    ]


async def test_an_agent_as_tool_may_need_approval_itself_and_then_for_its_call(
    pay: FunctionTool, paid: list[str]
) -> None:
    inner = Agent(
        name="Inner",
        model=ScriptedModel([ToolCall("pay", {"to": "A", "euros": 1}), last_outputs]),
        tools=[pay],
    )
    outer = Agent(
        name="Outer",
        model=ScriptedModel([ToolCall("ask", {"input": "?"}), last_outputs]),
        tools=[inner.as_tool("ask", "Ask.", needs_approval=True)],
    )
    server = running(outer)
    assert value_of(await decided_by(server, lambda _question: YES)) == "paid A"
    assert [question["tool"] for question in announced(server)] == ["ask", "pay"]


async def test_always_in_an_agent_as_tool_ends_with_its_run(pay: FunctionTool, paid: list[str]) -> None:
    pays = [ToolCall("pay", {"to": name, "euros": 1}) for name in ("Ada", "Bob")]
    inner = Agent(name="Inner", model=ScriptedModel([*pays, "paid both"]), tools=[pay])
    calls = [ToolCall("ask", {"input": when}) for when in ("today", "tomorrow")]
    outer = Agent(name="Outer", model=ScriptedModel([*calls, "done"]), tools=[inner.as_tool("ask", "Ask.")])
    server = running(outer)
    always = b'{"approved": true, "always": true}'
    assert value_of(await decided_by(server, lambda _question: always)) == "done"
    assert [question["arguments"]["to"] for question in announced(server)] == ["Ada", "Ada"]
    assert paid == ["Ada 1", "Bob 1"] * 2


async def test_nobody_decides_in_time(pay: FunctionTool, paid: list[str]) -> None:
    model = ScriptedModel([ToolCall("pay", {"to": "Ada", "euros": 5}), last_outputs])
    options = DurableOptions(approval_timeout_ms=3_600_000)
    server = running(Agent(name="Clerk", model=model, tools=[pay]), options=options)
    assert value_of(await server.run()) == "nobody decided within 1:00:00"  # the server fires the timer
    assert paid == []
    (question,) = announced(server)
    assert question["expires_at"] > question["asked_at"]


async def test_a_decision_in_time_counts(pay: FunctionTool, paid: list[str]) -> None:
    model = ScriptedModel([ToolCall("pay", {"to": "Ada", "euros": 5}), last_outputs])
    options = DurableOptions(approval_timeout_ms=3_600_000)

    def never_the_timer(names: Sequence[str]) -> int:
        return next((at for at, name in enumerate(names) if not name.startswith("sleep")), -1)

    server = running(Agent(name="Clerk", model=model, tools=[pay]), options=options)
    server.choose = never_the_timer
    while not announced(server):
        await server.attempt()
    server.resolve_awakeable(announced(server)[0]["awakeable_id"], YES)
    assert value_of(await server.run()) == "paid Ada"


async def test_a_cancelled_invocation_waits_no_longer(pay: FunctionTool, paid: list[str]) -> None:
    model = ScriptedModel([ToolCall("pay", {"to": "Ada", "euros": 5}), last_outputs])
    server = running(Agent(name="Clerk", model=model, tools=[pay]))
    assert await suspended(server) is None
    server.cancel()
    output = await server.run()
    assert output.failure.code == 409
    assert paid == []


@pytest.mark.parametrize("length", range(2, 16))
async def test_a_connection_that_breaks_after_any_entry_asks_no_question_twice(
    pay: FunctionTool, paid: list[str], length: int
) -> None:
    calls = [ToolCall("pay", {"to": name, "euros": 5}) for name in ("Ada", "Bob")]
    server = running(Agent(name="Clerk", model=ScriptedModel([calls, last_outputs]), tools=[pay]))
    server.suspend_always, server.break_after = False, {length}
    assert value_of(await decided_by(server, lambda _question: YES)) == "paid Ada | paid Bob"
    assert server.break_after == set(), "it did break"
    assert [question["arguments"]["to"] for question in announced(server)] == ["Ada", "Bob"]
    assert server.commands().count("Run pay") == 2
    assert len(paid) <= 4, "only a call that was cut off before its record is made again"


async def test_a_session_holds_each_item_once_as_with_the_sdk(pay: FunctionTool, tmp_path: Any) -> None:
    calls = [ToolCall("pay", {"to": name, "euros": 5}) for name in ("Ada", "Bob")]
    model = ScriptedModel([calls, ToolCall("pay", {"to": "Cy", "euros": 5}), "done"])
    agent: Agent[Any] = Agent(name="Clerk", model=model, tools=[pay])
    theirs, ours = (SQLiteSession(name, tmp_path / "s.db") for name in ("theirs", "ours"))

    result = await Runner.run(agent, "hello", session=theirs)
    while result.interruptions:
        state = result.to_state()
        for item in result.interruptions:
            state.approve(item)
        result = await Runner.run(agent, state, session=theirs)

    server = running(agent, session=ours)
    assert value_of(await decided_by(server, lambda _question: YES, backwards=True)) == "done"
    assert await ours.get_items() == await theirs.get_items()
    assert len(await ours.get_items()) == 8


async def test_return_hands_the_interruptions_to_the_caller(pay: FunctionTool, paid: list[str]) -> None:
    model = ScriptedModel([ToolCall("pay", {"to": "Ada", "euros": 5}), last_outputs])
    agent = Agent(name="Clerk", model=model, tools=[pay])

    async def run(ctx: restate.Context, message: str) -> Any:
        result = await DurableRunner.run(agent, message, options=DurableOptions(approvals="return"))
        state = result.to_state()
        state.approve(result.interruptions[0])
        return (await DurableRunner.run(agent, state)).final_output

    server = asked(run)
    assert value_of(await server.run()) == "paid Ada"
    assert server.commands() == ["Input", "Run call LLM", "Run pay", "Run call LLM", "Output"]


async def test_plain_runs_in_a_durable_handler_behave_as_the_sdk_does(
    pay: FunctionTool, paid: list[str]
) -> None:
    model = ScriptedModel([ToolCall("pay", {"to": "Ada", "euros": 5}), last_outputs])
    agent = Agent(name="Clerk", model=model, tools=[pay])

    @durable
    async def run(ctx: restate.Context, message: str) -> Any:
        result = await Runner.run(agent, message)
        state = result.to_state()
        state.reject(result.interruptions[0], rejection_message="no")
        return (await Runner.run(agent, state)).final_output

    assert value_of(await asked(run).run()) == "no"


async def test_a_stored_state_is_resumed_by_another_invocation(pay: FunctionTool, paid: list[str]) -> None:
    agent, models = clerks(pay, 1)
    options = DurableOptions(approvals="return")

    async def ask(ctx: restate.Context, message: str) -> Any:
        result = await DurableRunner.run(agent, message, context=ctx, options=options)
        return result.to_state().to_json()

    stored = json.dumps(value_of(await asked(ask).run()))

    async def approve(ctx: restate.Context, message: str) -> Any:
        state = await RunState.from_json(agent, json.loads(stored))
        for item in state.get_interruptions():
            state.approve(item)
        return (await DurableRunner.run(agent, state, context=ctx)).final_output

    async def wait(ctx: restate.Context, message: str) -> Any:
        state = await RunState.from_json(agent, json.loads(stored))
        return (await DurableRunner.run(agent, state)).final_output

    assert value_of(await asked(approve).run()) == "paid Ada"
    assert paid == ["Ada 5"]
    assert value_of(await decided_by(asked(wait), lambda _question: NO)) == "Tool execution was not approved."
    assert models[0].calls == [0, 1, 1], "what was paid for before the state was stored is not paid for again"


async def test_the_context_of_a_resumed_run_is_the_one_it_had(pay: FunctionTool) -> None:
    model = ScriptedModel([ToolCall("pay", {"to": "Ada", "euros": 5}), last_outputs])
    agent: Agent[Any] = Agent(name="Clerk", model=model, tools=[pay])

    async def run(ctx: restate.Context, message: str) -> Any:
        mine = {"customer": 7}
        first = await DurableRunner.run(
            agent, message, context=mine, options=DurableOptions(approvals="return")
        )
        second = await DurableRunner.run(agent, first.to_state())
        return [first.context_wrapper.context is mine, second.context_wrapper.context is mine]

    assert value_of(await decided_by(asked(run), lambda _question: YES)) == [True, True]


async def test_any_code_on_the_loop_may_ask_a_human() -> None:
    @durable
    async def run(ctx: restate.Context, message: str) -> Any:
        decision = await ask_human(Question(tool="pay", reason="nobody knows whether Ada was paid"))
        return decision.model_dump()

    body = b'{"approved": true, "message": "she was not", "by": "Bob"}'
    server = asked(run)
    answer = value_of(await decided_by(server, lambda _question: body))
    assert answer == {"approved": True, "always": False, "message": "she was not", "by": "Bob", "id": None}
    assert announced(server)[0]["reason"] == "nobody knows whether Ada was paid"
    with pytest.raises(NotDurable, match="outside of a durable run"):
        await ask_human(Question(tool="pay"))
