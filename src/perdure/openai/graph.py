"""What an agent is made of, and how each part is made durable, told without running it.

The same rules that a run follows, read off the objects: `perdure doctor` prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from agents import (
    Agent,
    AgentHooks,
    ApplyPatchTool,
    ComputerTool,
    CustomTool,
    FunctionTool,
    Handoff,
    LocalShellTool,
    Model,
    ShellTool,
    Tool,
)
from agents.sandbox import SandboxAgent

from perdure.durable.step import is_async
from perdure.openai.compat import parts, tool_functions
from perdure.openai.hooks import overridden
from perdure.openai.tool_code import names_runner, runs_agents, runs_agents_through
from perdure.openai.tools import takes_wrapper

Kind = Literal["step", "orchestration", "provider", "refused"]
"""One journal entry; code on the deterministic loop, which makes entries of its own; run by the model's
provider, as a part of the model call; an error when the agent runs.
"""


@dataclass(frozen=True)
class Finding:
    """One part of an agent. `why` says what makes it so, and what to keep in mind."""

    kind: Kind
    what: str
    why: str


@dataclass(frozen=True)
class Report:
    agent: Agent[Any]
    findings: list[Finding]


LOOP = "runs on the deterministic loop, and again on replay; I/O in it needs step()"


def reachable(agents: Iterable[Agent[Any]]) -> list[Agent[Any]]:
    """The agents, and those that they hand off to or use as tools, each once, in the order of discovery."""
    found: list[Agent[Any]] = []
    waiting = list(agents)
    while waiting:
        agent = waiting.pop(0)
        if any(agent is known for known in found):
            continue
        found.append(agent)
        waiting += [other for other in map(_target, agent.handoffs) if other is not None]
        waiting += [
            other
            for tool in agent.tools
            if isinstance(tool, FunctionTool) and (other := parts.agent_of(tool)) is not None
        ]
    return found


def examine(agents: Iterable[Agent[Any]]) -> list[Report]:
    """A report on each agent that is reachable from the given ones."""
    return [Report(agent, list(_findings(agent))) for agent in reachable(agents)]


def _findings(agent: Agent[Any]) -> Iterator[Finding]:
    if isinstance(agent, SandboxAgent):
        yield Finding("refused", "sandbox", "its sandbox is driven outside of any step")
    yield _model(agent)
    if callable(agent.instructions):
        yield Finding("orchestration", f"instructions {_name(agent.instructions)}", LOOP)
    if callable(agent.prompt):
        yield Finding("orchestration", f"prompt {_name(agent.prompt)}", LOOP)
    judges: list[Any] = [*agent.input_guardrails, *agent.output_guardrails]
    for guardrail in judges:
        yield _guardrail(guardrail.get_name(), guardrail.guardrail_function)
    for tool in agent.tools:
        yield from _tool(tool)
    for server in agent.mcp_servers:
        yield Finding("step", f"mcp {server.name}", "each list and each call is one step")
    for handoff in agent.handoffs:
        yield _handoff(handoff)
    if agent.hooks is not None:
        for method in overridden(agent.hooks, AgentHooks):
            yield Finding("step", f"agent hook {method}", "each call of an overridden hook is one step")


def _model(agent: Agent[Any]) -> Finding:
    model = agent.model
    named = type(model).__name__ if isinstance(model, Model) else model or "the default model"
    return Finding("step", "call LLM", f"{named}; each try is one step, and only its answer is journaled")


def _guardrail(name: str, function: Callable[..., Any]) -> Finding:
    if is_async(function):
        return Finding("orchestration", f"guardrail {name}", f"{LOOP}; its verdict is journaled")
    return Finding("step", f"guardrail {name}", "a plain function: one step")


def _handoff(handoff: Agent[Any] | Handoff[Any, Any]) -> Finding:
    target = _target(handoff)
    name = target.name if target is not None else getattr(handoff, "agent_name", "?")
    if isinstance(handoff, Handoff) and parts.has_callback(handoff):
        return Finding("step", f"on_handoff: {name}", "the callback is one step; the handoff needs none")
    return Finding("orchestration", f"handoff to {name}", "follows from the model's answer: no entry")


def _tool(tool: Tool) -> Iterator[Finding]:
    if not isinstance(tool, FunctionTool):
        yield _other_tool(tool)
        return
    if tool.needs_approval is not False:
        yield Finding("orchestration", f"approval {tool.name}", "waits durably for a human, at no cost")
    judges: list[Any] = [*(tool.tool_input_guardrails or []), *(tool.tool_output_guardrails or [])]
    for guardrail in judges:
        yield _guardrail(guardrail.get_name(), guardrail.guardrail_function)
    yield _function_tool(tool)


def _function_tool(tool: FunctionTool) -> Finding:
    options, function = tool_functions.options_of(tool), tool_functions.function_of(tool)
    if (agent := parts.agent_of(tool)) is not None:
        return Finding("orchestration", tool.name, f"agent {agent.name!r}: its own calls are the steps")
    if options.orchestrates:
        return Finding("orchestration", tool.name, f"@durable_tool: {LOOP}")
    if runs_agents(function):
        return Finding("orchestration", tool.name, f"runs agents of its own: {LOOP}")
    if options.once:
        return Finding("step", tool.name, "once=True: claimed before it starts, and not repeated in silence")
    if takes_wrapper(function) and is_async(function):
        why = f"a step; but with context=ctx, the restate context, it {LOOP}"
        return Finding("step", tool.name, why)
    through = f"{_name(function)}()" if names_runner(function) else runs_agents_through(function)
    if through is not None:
        why = (
            f"one step, and so are the agents that {through} may run in it: their model calls are not "
            "journaled, and a crash has them made again. An async function under @durable_tool journals them"
        )
        return Finding("step", tool.name, why)
    return Finding("step", tool.name, "a plain function tool: one step")


def _other_tool(tool: Tool) -> Finding:
    local = isinstance(tool, ComputerTool | LocalShellTool | ApplyPatchTool | CustomTool) or (
        isinstance(tool, ShellTool) and tool.executor is not None
    )
    if local:
        return Finding("step", tool.name, "acts on this machine: each action is one step")
    return Finding("provider", tool.name, "run by the provider, within the model call")


def _target(handoff: Agent[Any] | Handoff[Any, Any]) -> Agent[Any] | None:
    return handoff if isinstance(handoff, Agent) else parts.target_of(handoff)


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
