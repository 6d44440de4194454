"""The agents of the crash matrix: one service for each way in which an agent uses the journal.

Every tool answers with a receipt, which is new each time its effect takes place, and every answer is made of
the receipts that the model was shown. So an answer tells which executions were recorded.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import effect_log
import kill_switch  # noqa: F401 - patches the steps of this process
import restate
from agents import (
    Agent,
    GuardrailFunctionOutput,
    ModelSettings,
    OpenAIResponsesModel,
    RunContextWrapper,
    Runner,
    SQLiteSession,
    function_tool,
    handoff,
    input_guardrail,
    output_guardrail,
    set_tracing_disabled,
)
from agents.mcp import MCPServerStdio
from model_api import TEXT
from openai import AsyncOpenAI

from perdure import DurableRunner, DurableSession, step
from perdure.openai import durable
from perdure.testing.scripted_model import Input, ScriptedModel, ToolCall

set_tracing_disabled(True)

SOON = restate.InvocationRetryPolicy(
    initial_interval=timedelta(milliseconds=20),
    exponentiation_factor=1.0,
    max_interval=timedelta(milliseconds=50),
    max_attempts=10_000,
)
MODEL_URL_ENV = "MATRIX_MODEL_URL"
RECEIPT = re.compile(r"[\w-]+=[0-9a-f]{32}")


def _receipts(conversation: Input) -> str:
    """All receipts in the conversation, in the order in which the model was shown them."""
    return " ".join(dict.fromkeys(RECEIPT.findall(str(conversation))))


def _effect(name: str) -> str:
    return f"{name}={effect_log.ran('effects', name)}"


@function_tool
async def look_up(what: str) -> str:
    """Look something up."""
    await asyncio.sleep(0.002)
    return _effect(f"look_up-{what}")


@function_tool
async def reserve(what: str) -> str:
    """Reserve something."""
    return _effect(f"reserve-{what}")


def _service(name: str) -> restate.Service:
    return restate.Service(name, invocation_retry_policy=SOON)


# ---- flat: one tool call after the other

flat = _service("flat")
flat_agent = Agent(
    name="Flat",
    tools=[look_up, reserve],
    model=ScriptedModel([ToolCall("look_up", {"what": "a"}), ToolCall("reserve", {"what": "a"}), _receipts]),
)


@flat.handler("run")
async def run_flat(ctx: restate.Context, message: str) -> str:
    return str((await DurableRunner.run(flat_agent, message)).final_output)


# ---- parallel: three tools at once, each with steps of its own

parallel = _service("parallel")


@function_tool
async def book(run: RunContextWrapper[restate.Context], what: str) -> str:
    """Book something in two steps."""
    held = await step(f"hold {what}", _async_effect, f"hold-{what}")
    paid = await step(f"pay {what}", _async_effect, f"pay-{what}")
    return f"{held} {paid}"


async def _async_effect(name: str) -> str:
    await asyncio.sleep(0.002)
    return _effect(name)


parallel_agent = Agent[restate.Context](
    name="Parallel",
    tools=[book, look_up],
    model=ScriptedModel(
        [
            [
                ToolCall("book", {"what": "a"}),
                ToolCall("book", {"what": "b"}),
                ToolCall("look_up", {"what": "c"}),
            ],
            _receipts,
        ]
    ),
)


@parallel.handler("run")
async def run_parallel(ctx: restate.Context, message: str) -> str:
    return str((await DurableRunner.run(parallel_agent, message, context=ctx)).final_output)


# ---- nested: agents as tools, two at once beside a plain tool, the inner ones with tools of their own

nested = _service("nested")
researcher = Agent(
    name="Researcher",
    tools=[look_up],
    model=ScriptedModel([ToolCall("look_up", {"what": "inner"}), _receipts]),
)
clerk = Agent(
    name="Clerk",
    tools=[reserve, researcher.as_tool("research", "Research something.")],
    model=ScriptedModel(
        [
            [ToolCall("reserve", {"what": "inner"}), ToolCall("research", {"input": "it"})],
            _receipts,
        ]
    ),
)
nested_agent = Agent(
    name="Nested",
    tools=[clerk.as_tool("ask_clerk", "Ask the clerk."), look_up],
    model=ScriptedModel(
        [[ToolCall("ask_clerk", {"input": "it"}), ToolCall("look_up", {"what": "outer"})], _receipts]
    ),
)


@nested.handler("run")
@durable
async def run_nested(ctx: restate.Context, message: str) -> str:
    return str((await Runner.run(nested_agent, message)).final_output)


# ---- handoff: there and back again

handoffs = _service("handoff")
front = Agent(
    name="Front",
    tools=[look_up],
    model=ScriptedModel(
        [
            ToolCall("look_up", {"what": "front"}),
            ToolCall("transfer_to_back"),
            _receipts,
            _receipts,
            _receipts,
        ]
    ),
)
back = Agent(
    name="Back",
    tools=[reserve],
    model=ScriptedModel(
        [_receipts, _receipts, ToolCall("reserve", {"what": "back"}), ToolCall("transfer_to_front")]
    ),
)


async def _told(ctx: RunContextWrapper[Any]) -> None:
    _effect("on-handoff")


front.handoffs = [handoff(back, on_handoff=_told)]
back.handoffs = [front]


@handoffs.handler("run")
async def run_handoff(ctx: restate.Context, message: str) -> str:
    return str((await DurableRunner.run(front, message)).final_output)


# ---- guardrail: an agent judges the question beside the first model call, code judges the answer

guardrails = _service("guardrail")
judge = Agent(name="Judge", model=ScriptedModel(["fine"]))


@input_guardrail
async def judged(ctx: RunContextWrapper[Any], agent: Agent[Any], text: Any) -> GuardrailFunctionOutput:
    verdict = await Runner.run(judge, text)
    return GuardrailFunctionOutput(None, tripwire_triggered=verdict.final_output != "fine")


@output_guardrail
def short(ctx: RunContextWrapper[Any], agent: Agent[Any], text: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(None, tripwire_triggered=len(str(text)) > 10_000)


guarded_agent = Agent(
    name="Guarded",
    tools=[look_up],
    input_guardrails=[judged],
    output_guardrails=[short],
    model=ScriptedModel([ToolCall("look_up", {"what": "g"}), _receipts]),
)


@guardrails.handler("run")
async def run_guardrail(ctx: restate.Context, message: str) -> str:
    return str((await DurableRunner.run(guarded_agent, message)).final_output)


# ---- session: a session of the SDK, in a database of its own

sessions = _service("session")
session_agent = Agent(
    name="Session",
    tools=[look_up],
    model=ScriptedModel([ToolCall("look_up", {"what": "s"}), _receipts]),
)


@sessions.handler("run")
async def run_session(ctx: restate.Context, message: str) -> str:
    path = Path(os.environ[effect_log.PATH_ENV]).with_name("sessions.sqlite3")
    session = SQLiteSession(ctx.request().id, str(path))
    return str((await DurableRunner.run(session_agent, message, session=session)).final_output)


# ---- durable-session: a session in the state of a virtual object

conversations = restate.VirtualObject("durable-session", invocation_retry_policy=SOON)


@conversations.handler("run")
async def run_durable_session(ctx: restate.ObjectContext, message: str) -> str:
    session = DurableSession()
    answer = str((await DurableRunner.run(session_agent, message, session=session)).final_output)
    kinds = [item.get("type", item.get("role")) for item in await session.get_items()]
    if kinds != ["user", "function_call", "function_call_output", "message"]:
        return f"{answer} items-of-the-session={kinds}".replace(", ", ",")
    return answer


# ---- mcp: a server in a process of its own, over stdio

mcp = _service("mcp")
WAREHOUSE = Path(__file__).with_name("matrix_mcp_server.py")


@mcp.handler("run")
async def run_mcp(ctx: restate.Context, message: str) -> str:
    command: Any = {
        "command": sys.executable,
        "args": [str(WAREHOUSE)],
        "env": {name: os.environ[name] for name in (effect_log.PATH_ENV, "PYTHONPATH")},
    }
    async with MCPServerStdio(params=command, name="warehouse") as server:
        agent = Agent(
            name="Mcp",
            mcp_servers=[server],
            tools=[look_up],
            model=ScriptedModel(
                [[ToolCall("ship", {"what": "m"}), ToolCall("look_up", {"what": "m"})], _receipts]
            ),
        )
        return str((await DurableRunner.run(agent, message)).final_output)


# ---- approval: two calls wait for a human, who decides over the admin API and the ingress

approvals = _service("approval")


@function_tool(needs_approval=True)
async def transfer(to: str) -> str:
    """Transfer money."""
    return _effect(f"transfer-{to}")


approval_agent = Agent(
    name="Approval",
    tools=[transfer, look_up],
    model=ScriptedModel(
        [
            [
                ToolCall("transfer", {"to": "a"}),
                ToolCall("transfer", {"to": "b"}),
                ToolCall("look_up", {"what": "t"}),
            ],
            _receipts,
        ]
    ),
)


@approvals.handler("run")
async def run_approval(ctx: restate.Context, message: str) -> str:
    return str((await DurableRunner.run(approval_agent, message)).final_output)


# ---- re-attach: a background response of a model that is served in another process

reattach = _service("re-attach")


@reattach.handler("run")
async def run_reattach(ctx: restate.Context, message: str) -> str:
    client = AsyncOpenAI(base_url=os.environ[MODEL_URL_ENV], api_key="k")
    agent = Agent(
        name="Reattach",
        model=OpenAIResponsesModel("m", client),
        model_settings=ModelSettings(store=True, extra_args={"background": True}),
    )
    answer = (await DurableRunner.run(agent, message)).final_output
    return "" if answer == TEXT else f"another-answer={answer}"


app = restate.app(
    [flat, parallel, nested, handoffs, guardrails, sessions, conversations, mcp, approvals, reattach]
)
