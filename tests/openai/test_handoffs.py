"""Handoffs, and the callbacks that only shape a prompt: they run again on replay and make no entry."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
import restate
from agent_invocation import asked, asking
from agents import (
    Agent,
    GenerateDynamicPromptData,
    Handoff,
    HandoffInputData,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    Runner,
    function_tool,
    handoff,
    set_tracing_disabled,
)
from agents.extensions.handoff_filters import remove_all_tools
from agents.run import CallModelData, ModelInputData
from journal_server import value_of
from pydantic import BaseModel

from perdure import DurableRunner, step
from perdure.testing.scripted_model import ScriptedModel, ToolCall

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


@function_tool
async def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word}: a greeting"


def desk_and_clerk() -> tuple[Agent[Any], Agent[Any]]:
    """The desk hands over to the clerk, who hands back."""
    desk: Agent[Any] = Agent(
        name="Desk", model=ScriptedModel([ToolCall("transfer_to_clerk"), "?", "all done"])
    )
    clerk = Agent(name="Clerk", handoffs=[desk], model=ScriptedModel(["?", ToolCall("transfer_to_desk")]))
    desk.handoffs.append(clerk)
    return desk, clerk


async def test_agents_hand_over_in_a_circle_and_stay_who_they_are() -> None:
    desk = Agent(name="Desk", model=ScriptedModel([ToolCall("transfer_to_clerk"), "?", "all done"]))
    clerk = Agent(name="Clerk", handoffs=[desk], model=ScriptedModel(["?", ToolCall("transfer_to_desk")]))
    desk.handoffs.append(clerk)

    async def run(ctx: restate.Context, message: str) -> Any:
        result = await DurableRunner.run(desk, message)
        assert result.last_agent is desk
        assert [type(i).__name__ for i in result.new_items].count("HandoffOutputItem") == 2
        return result.final_output

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == "all done"
    assert server.commands() == ["Input", *["Run call LLM"] * 3, "Output"]


class Reason(BaseModel):
    reason: str


@dataclass
class Log:
    lines: list[str] = field(default_factory=list)


@pytest.mark.parametrize("is_async", [False, True])
async def test_on_handoff_is_one_step_that_may_change_the_context(is_async: bool) -> None:
    handed: list[str] = []

    def on_handoff(ctx: RunContextWrapper[Log], data: Reason) -> None:
        handed.append(data.reason)
        ctx.context.lines.append(data.reason)

    async def on_handoff_async(ctx: RunContextWrapper[Log], data: Reason) -> None:
        await asyncio.sleep(0.001)  # I/O of its own
        on_handoff(ctx, data)

    clerk = Agent(
        name="Clerk", model=ScriptedModel(["?", ToolCall("look_up", {"word": "x"}), "ok"]), tools=[look_up]
    )
    desk = Agent(
        name="Desk",
        handoffs=[handoff(clerk, on_handoff=on_handoff_async if is_async else on_handoff, input_type=Reason)],
        model=ScriptedModel([ToolCall("transfer_to_clerk", {"reason": "bored"})]),
    )

    async def run(ctx: restate.Context, message: str) -> Any:
        log = Log()
        result = await DurableRunner.run(desk, message, context=log)
        assert result.last_agent is clerk
        return log.lines

    server = asked(run, suspend_always=True)
    assert value_of(await server.run()) == ["bored"]
    assert handed == ["bored"]
    assert server.commands()[1:3] == ["Run call LLM", "Run on_handoff: Clerk"]


async def test_bad_arguments_of_a_handoff_fail_as_in_the_sdk() -> None:
    clerk = Agent(name="Clerk", model=ScriptedModel(["ok"]))
    desk = Agent(
        name="Desk",
        handoffs=[handoff(clerk, on_handoff=lambda _ctx, _data: None, input_type=Reason)],
        model=ScriptedModel([ToolCall("transfer_to_clerk", {"cause": 3})]),
    )
    assert "ModelBehaviorError" in (await asking(desk).run()).failure.message


async def test_a_handoff_that_the_user_built_runs_on_the_loop() -> None:
    clerk = Agent(name="Clerk", model=ScriptedModel(["?", "from the clerk"]))
    chosen: list[str] = []

    async def choose(ctx: RunContextWrapper[Any], arguments: str) -> Agent[Any]:
        chosen.append(await step("choose", lambda: "Clerk"))
        return clerk

    desk = Agent(
        name="Desk",
        handoffs=[
            Handoff(
                tool_name="pass_on",
                tool_description="Pass on.",
                input_json_schema={},
                on_invoke_handoff=choose,
                agent_name="somebody",
            )
        ],
        model=ScriptedModel([ToolCall("pass_on")]),
    )
    server = asking(desk)
    assert value_of(await server.run()) == "from the clerk"
    assert server.commands() == ["Input", "Run call LLM", "Run choose", "Run call LLM", "Output"]


async def test_input_filters_and_nested_history_shape_the_prompt_as_in_the_sdk() -> None:
    seen: list[Any] = []

    def clerk_sees(conversation: Any) -> str:
        seen.append(conversation)
        return "ok"

    def agents() -> Agent[Any]:
        clerk = Agent(name="Clerk", model=ScriptedModel([clerk_sees]))
        return Agent(
            name="Desk",
            tools=[look_up],
            handoffs=[handoff(clerk, input_filter=drop_tools)],
            model=ScriptedModel([ToolCall("look_up", {"word": "hello"}), ToolCall("transfer_to_clerk")]),
        )

    async def drop_tools(data: HandoffInputData) -> HandoffInputData:
        await asyncio.sleep(0)
        return remove_all_tools(data)

    for config in (RunConfig(), RunConfig(nest_handoff_history=True)):
        seen.clear()
        server = asking(agents(), run_config=config)
        assert value_of(await server.run()) == "ok"
        await Runner.run(agents(), "hello", run_config=config)
        durable_prompt, plain_prompt = seen
        assert durable_prompt == plain_prompt
        assert server.commands() == [
            "Input", "Run call LLM", "Run look_up", "Run call LLM", "Run call LLM", "Output"
        ]  # fmt: skip


async def test_instructions_of_every_kind() -> None:
    prompts: list[Any] = []

    class Sees(ScriptedModel):
        async def get_response(self, *args: Any, **options: Any) -> Any:
            prompts.append((options["system_instructions"], options["prompt"]))
            return await super().get_response(*args, **options)

    async def in_a_step(ctx: RunContextWrapper[Any], agent: Agent[Any]) -> str:
        return await step("load instructions", lambda: f"You are {agent.name}, from a file.")

    def prompt(data: GenerateDynamicPromptData) -> Any:
        return {"id": f"prompt-{data.agent.name}"}

    async def prompt_in_a_step(data: GenerateDynamicPromptData) -> Any:
        return {"id": await step("choose prompt", lambda: "prompt-2")}

    plain = Agent(name="P", instructions=lambda _c, a: f"You are {a.name}.", prompt=prompt, model=Sees(["1"]))
    stepped = Agent(name="S", instructions=in_a_step, prompt=prompt_in_a_step, model=Sees(["2"]))
    assert value_of(await asking(plain).run()) == "1"
    assert value_of(await (server := asking(stepped)).run()) == "2"
    assert prompts == [
        ("You are P.", {"id": "prompt-P", "version": None, "variables": None}),
        ("You are S, from a file.", {"id": "prompt-2", "version": None, "variables": None}),
    ]
    assert set(server.commands()) == {
        "Input", "Run load instructions", "Run choose prompt", "Run call LLM", "Output"
    }  # fmt: skip


async def test_io_in_a_prompt_making_callback_is_refused_with_the_line_to_write() -> None:
    async def instructions(ctx: Any, agent: Any) -> str:
        await asyncio.open_connection("127.0.0.1", 1)
        return "?"

    async def prompt(data: Any) -> Any:
        return {"id": str(await asyncio.to_thread(len, "?"))}

    async def filtered(data: CallModelData[Any]) -> ModelInputData:
        await asyncio.open_connection("127.0.0.1", 3)
        return data.model_data

    async def enabled(ctx: Any, agent: Any) -> bool:
        await asyncio.open_connection("127.0.0.1", 4)
        return True

    async def keep_all(data: HandoffInputData) -> HandoffInputData:
        await asyncio.open_connection("127.0.0.1", 5)
        return data

    clerk = Agent(name="Clerk", model=ScriptedModel(["ok"]))
    hands_over = ScriptedModel([ToolCall("transfer_to_clerk")])
    config = RunConfig(call_model_input_filter=filtered)
    for agent, options, line in [
        (Agent(name="A", instructions=instructions, model=ScriptedModel(["?"])), {}, 1),
        (Agent(name="A", model=ScriptedModel(["?"])), {"run_config": config}, 3),
        (Agent(name="A", handoffs=[handoff(clerk, is_enabled=enabled)], model=hands_over), {}, 4),
        (Agent(name="A", handoffs=[handoff(clerk, input_filter=keep_all)], model=hands_over), {}, 5),
    ]:
        message = (await asking(agent, **options).run()).failure.message
        assert f"{__file__}:" in message
        assert f'lambda: asyncio.open_connection("127.0.0.1", {line}))' in message
    message = (await asking(Agent(name="A", prompt=prompt, model=ScriptedModel(["?"]))).run()).failure.message
    assert 'await step("prompt", lambda: asyncio.to_thread(len, "?"))' in message


async def test_structured_output_and_tool_choice_come_back_the_same() -> None:
    choices: list[Any] = []

    class Sees(ScriptedModel):
        async def get_response(self, *args: Any, **options: Any) -> Any:
            choices.append(options["model_settings"].tool_choice)
            return await super().get_response(*args, **options)

    agent = Agent(
        name="A",
        tools=[look_up],
        output_type=Reason,
        model_settings=ModelSettings(tool_choice="required"),
        model=Sees([ToolCall("look_up", {"word": "x"}), '{"reason": "asked"}']),
    )

    async def run(ctx: restate.Context, message: str) -> Any:
        output = (await DurableRunner.run(agent, message)).final_output
        assert output == Reason(reason="asked")
        return output.reason

    assert value_of(await asked(run, suspend_always=True).run()) == "asked"
    assert choices == ["required", None], "reset after the tool was used, on a replay too"
