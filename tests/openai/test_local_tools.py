"""Shells, patches, custom tools and computers act in steps; hosted tools reach the model as they are."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import restate
from agents import (
    Agent,
    ApplyPatchTool,
    AsyncComputer,
    CodeInterpreterTool,
    Computer,
    ComputerProvider,
    ComputerTool,
    CustomTool,
    FileSearchTool,
    HostedMCPTool,
    ImageGenerationTool,
    LocalShellTool,
    Model,
    ModelResponse,
    Runner,
    ShellCallOutcome,
    ShellCommandOutput,
    ShellResult,
    ShellTool,
    Usage,
    WebSearchTool,
    set_tracing_disabled,
)
from agents.editor import ApplyPatchResult
from journal_server import JournalServer, value_of
from openai.types.responses import (
    ResponseApplyPatchToolCall,
    ResponseComputerToolCall,
    ResponseCustomToolCall,
    ResponseFunctionShellToolCall,
)
from openai.types.responses.response_computer_tool_call import PendingSafetyCheck
from openai.types.responses.response_output_item import LocalShellCall

from perdure import DurableRunner
from perdure.protocol.messages import MessageType
from perdure.testing.scripted_model import ScriptedModel

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_tracing() -> None:
    set_tracing_disabled(True)


class CallingModel(Model):
    """Calls its tools once, all in one turn, and then answers with what they returned."""

    def __init__(self, *calls: Any) -> None:
        self.calls = list(calls)
        self._end = ScriptedModel([lambda items: outputs_of(items)])

    async def get_response(
        self,
        system_instructions: str | None,
        input: Any,  # noqa: A002 - the SDK's name
        *rest: Any,
        **options: Any,
    ) -> ModelResponse:
        if isinstance(input, str) or not any("output" in item for item in input):
            return ModelResponse(output=self.calls, usage=Usage(requests=1), response_id="resp_0")
        return await self._end.get_response(system_instructions, input)

    def stream_response(self, *_args: Any, **_options: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


def outputs_of(items: Any) -> str:
    return " | ".join(str(item["output"]) for item in items if "output" in item)


def agent_of(tool: Any, *calls: Any) -> Agent[Any]:
    return Agent(name="A", tools=[tool], model=CallingModel(*calls))


def asked(agent: Agent[Any], context: Any = None, **options: Any) -> JournalServer:
    async def run(ctx: restate.Context, message: str) -> list[Any]:
        given = dataclasses.replace(context) if context is not None else None
        result = await DurableRunner.run(agent, message, context=given)
        return [result.final_output, given and vars(given)]

    service = restate.Service("Agent")
    service.handler("run")(run)
    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


async def everywhere(agent: Agent[Any], context: Any = None) -> tuple[str, JournalServer]:
    """The final output, the same by plain Runner, live, and replayed at every await. Each step of a tool
    tells readers which of the model's calls it is.
    """
    given = dataclasses.replace(context) if context is not None else None
    plain = [(await Runner.run(agent, "hello", context=given)).final_output, given and vars(given)]
    server = asked(agent, context, suspend_always=True)
    assert value_of(await asked(agent, context).run()) == value_of(await server.run()) == plain
    assert isinstance(agent.model, CallingModel)
    assert calls_of(server) == [call.call_id for call in agent.model.calls if hasattr(call, "call_id")]
    return str(plain[0]), server


def calls_of(server: JournalServer) -> list[str]:
    """For which calls the steps of tools were made."""
    told = [json.loads(c.value.content)["about"] for c in server.entries(MessageType.RUN_COMPLETION)]
    return [facts["call_id"] for facts in told if "call_id" in facts]


@dataclasses.dataclass
class Notes:
    lines: str = ""


# ---- shells

LS = ResponseFunctionShellToolCall.model_validate(
    {
        "type": "shell_call",
        "id": "sh_1",
        "call_id": "call_1",
        "status": "completed",
        "action": {"commands": ["ls"], "timeout_ms": 1000},
    }
)


@pytest.mark.parametrize("way", ["sync", "async", "text", "raises", "raises oddly"])
async def test_a_shell_command_is_one_step(way: str) -> None:
    ran: list[str] = []
    result = ShellResult(
        output=[
            ShellCommandOutput(
                stdout="a.txt", outcome=ShellCallOutcome(type="exit", exit_code=0), command="ls"
            )
        ],
        provider_data={"host": "x"},
    )

    def work(request: Any) -> Any:
        ran.extend(request.data.action.commands)
        request.ctx_wrapper.context.lines += f"ran {ran[-1]}"
        if way == "raises":
            raise OSError("no shell")
        if way == "raises oddly":
            error = OSError("no shell")
            error.lock = threading.Lock()  # type: ignore[attr-defined]
            raise error
        return "just text" if way == "text" else result

    async def work_async(request: Any) -> Any:
        await asyncio.sleep(0.001)
        return work(request)

    tool = ShellTool(executor=work_async if way == "async" else work)
    _, server = await everywhere(agent_of(tool, LS), Notes())
    assert server.commands() == ["Input", "Run call LLM", "Run shell", "Run call LLM", "Output"]
    assert len(ran) == 3, "once by plain Runner, once live, once with replays"
    assert tool.executor in (work, work_async), "outside of a run the tool holds what the user gave it"


async def test_a_local_shell_command_is_one_step() -> None:
    async def execute(request: Any) -> str:
        return f"ran {request.data.action.command}"

    call = LocalShellCall.model_validate(
        {
            "type": "local_shell_call",
            "id": "ls_1",
            "call_id": "call_1",
            "status": "completed",
            "action": {"type": "exec", "command": ["ls"], "env": {}},
        }
    )
    output, server = await everywhere(agent_of(LocalShellTool(executor=execute), call))
    assert output == "ran ['ls']"
    assert "Run local_shell" in server.commands()


# ---- patches


class MemoryEditor:
    def __init__(self) -> None:
        self.files: list[str] = []

    def create_file(self, operation: Any) -> ApplyPatchResult:
        self.files.append(operation.path)
        return ApplyPatchResult(status="completed", output=f"created {operation.path}")

    async def update_file(self, operation: Any) -> str:
        return f"updated {operation.path}"

    def delete_file(self, operation: Any) -> None:
        raise PermissionError(f"may not delete {operation.path}")


@pytest.mark.parametrize("kind", ["create_file", "update_file", "delete_file"])
async def test_a_patch_is_one_step(kind: str) -> None:
    editor = MemoryEditor()
    operation = {"type": kind, "path": "a.txt"} | ({} if kind == "delete_file" else {"diff": "+x"})
    call = ResponseApplyPatchToolCall.model_validate(
        {
            "type": "apply_patch_call",
            "id": "ap_1",
            "call_id": "call_1",
            "status": "completed",
            "operation": operation,
        }
    )
    tool = ApplyPatchTool(editor=editor)
    output, server = await everywhere(agent_of(tool, call))
    assert "a.txt" in output
    assert server.commands().count("Run apply_patch") == 1
    assert tool.editor is editor
    assert len(editor.files) == (3 if kind == "create_file" else 0)


# ---- custom tools


async def test_a_custom_tool_is_one_step() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    def invoke(context: Any, text: str) -> Any:
        return Odd() if text == "odd" else text.upper()

    calls = [
        ResponseCustomToolCall(type="custom_tool_call", call_id=f"call_{text}", name="shout", input=text)
        for text in ("hey", "odd")
    ]
    tool = CustomTool(name="shout", description="Shouts.", on_invoke_tool=invoke)
    output, server = await everywhere(agent_of(tool, *calls))
    assert output == "HEY | odd"
    assert server.commands().count("Run shout") == 2


# ---- computers


class Screen:
    environment = "browser"
    dimensions = (10, 10)

    def __init__(self) -> None:
        self.did: list[str] = []


def method(name: str, is_async: bool) -> Any:
    def act(self: Screen, *args: Any) -> str:
        self.did.append(name)
        return f"shot{len(self.did)}"

    async def act_async(self: Screen, *args: Any) -> str:
        await asyncio.sleep(0.001)
        return act(self, *args)

    return act_async if is_async else act


NAMES = ("screenshot", "click", "double_click", "scroll", "type", "wait", "move", "keypress", "drag")
SyncScreen: Any = type("SyncScreen", (Screen, Computer), {name: method(name, False) for name in NAMES})
AsyncScreen: Any = type("AsyncScreen", (Screen, AsyncComputer), {name: method(name, True) for name in NAMES})

CLICK = ResponseComputerToolCall.model_validate(
    {
        "id": "cu_1",
        "type": "computer_call",
        "call_id": "call_1",
        "status": "completed",
        "pending_safety_checks": [],
        "actions": [{"type": "click", "x": 1, "y": 2, "button": "left"}, {"type": "type", "text": "hi"}],
    }
)


@pytest.mark.parametrize("screen", [SyncScreen, AsyncScreen])
async def test_the_actions_of_a_computer_call_are_one_step(screen: Any) -> None:
    computer = screen()
    server = asked(agent_of(ComputerTool(computer=computer), CLICK), suspend_always=True)
    assert "base64,shot3" in value_of(await server.run())[0]
    assert server.commands()[2] == "Run computer click, type"
    assert computer.did == ["click", "type", "screenshot"]


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
async def test_a_doubt_of_the_provider_is_decided_once(is_async: bool) -> None:
    """What is said of it stays said, whatever would be said in a later attempt."""
    asked_about: list[str] = []

    def acknowledge(data: Any) -> bool:
        asked_about.append(data.safety_check.id)
        return len(asked_about) == 1

    async def acknowledge_later(data: Any) -> bool:
        await asyncio.sleep(0)  # real I/O is fine here: it is in a step
        return acknowledge(data)

    decide = acknowledge_later if is_async else acknowledge
    tool = ComputerTool(computer=SyncScreen(), on_safety_check=decide)
    doubted = CLICK.model_copy(update={"pending_safety_checks": [PendingSafetyCheck(id="risky")]})
    server = asked(agent_of(tool, doubted), suspend_always=True)
    assert "base64,shot3" in value_of(await server.run())[0]
    assert server.commands()[2:4] == ["Run on_safety_check", "Run computer click, type"]
    assert asked_about == ["risky"]
    assert tool.on_safety_check is decide


async def test_a_computer_that_is_made_for_the_run_is_made_and_disposed_of_in_each_attempt() -> None:
    made: list[Any] = []
    disposed: list[Any] = []

    async def create(*, run_context: Any) -> Any:
        await asyncio.sleep(0.001)
        made.append(AsyncScreen())
        return made[-1]

    async def dispose(*, run_context: Any, computer: Any) -> None:
        await asyncio.sleep(0.001)
        disposed.append(computer)

    tool = ComputerTool(computer=ComputerProvider(create=create, dispose=dispose))
    for options in ({}, {"suspend_always": True}):
        made.clear()
        disposed.clear()
        server = asked(agent_of(tool, CLICK), **options)
        assert "base64,shot3" in value_of(await server.run())[0]
        await asyncio.sleep(0.01)
        assert len(made) == server.attempts
        assert disposed == made, "also in attempts that were suspended"
        assert [each.did for each in made if each.did] == [["click", "type", "screenshot"]]


# ---- hosted tools


async def test_hosted_tools_reach_the_model_as_they_are() -> None:
    tools: list[Any] = [
        WebSearchTool(),
        FileSearchTool(vector_store_ids=["vs_1"]),
        CodeInterpreterTool(tool_config={"type": "code_interpreter", "container": {"type": "auto"}}),
        HostedMCPTool(
            tool_config={
                "type": "mcp",
                "server_label": "git",
                "server_url": "https://example.com",
                "require_approval": "never",
            }
        ),
        ImageGenerationTool(tool_config={"type": "image_generation"}),
        ShellTool(environment={"type": "container_auto"}),
    ]
    seen: list[Any] = []

    class Looking(ScriptedModel):
        async def get_response(self, *args: Any, **options: Any) -> Any:
            seen.extend(options["tools"])
            return await super().get_response(*args, **options)

    agent = Agent(name="A", tools=tools, model=Looking(["done"]))
    server = asked(agent, suspend_always=True)
    assert value_of(await server.run())[0] == "done"
    assert len(seen) == len(tools)
    assert all(offered is tool for offered, tool in zip(seen, tools, strict=True))
