"""Hooks: each method that a user overrides is one step, named like `hook on_tool_start: get_weather`.

Hooks act on the world (a progress bar, a row in a database), so a replay must not call them again. The SDK
calls the hooks of the run and those of the agent side by side, and so they stay. A method that nobody
overrides makes no entry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any

from agents import Agent, AgentHooks, RunContextWrapper, RunHooks

from perdure.openai.context_changes import step_in_context


class HookCall(Awaitable[None]):
    """One event of a run, on its way to the hooks of the run and of the agent.

    method: the method of RunHooks that stands for the event.
    subject: the name of the agent or tool that it is about.
    """

    def __init__(
        self,
        method: str,
        subject: str,
        run_context: RunContextWrapper[Any],
        agent: Agent[Any],
        call_run_hook: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._method, self._subject = method, subject
        self._run_context, self._agent = run_context, agent
        self._call_run_hook = call_run_hook

    def __await__(self) -> Generator[Any, Any, None]:
        """Tell the hooks of the run."""
        return self._tell_run().__await__()

    async def _tell_run(self) -> None:
        if self._call_run_hook is not None:
            await self._step(f"hook {self._method}", self._call_run_hook)

    def for_agent(self, awaitable: Awaitable[None]) -> Awaitable[None]:
        """What tells the hooks of the agent, once. `awaitable` is what their method returned."""
        method = self._method.replace(
            "_agent", ""
        )  # AgentHooks has on_start where RunHooks has on_agent_start
        if self._agent.hooks is None or not _overrides(self._agent.hooks, AgentHooks, method):
            return awaitable
        return self._step(f"agent hook {method}", lambda: awaitable)

    async def _step(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        async def act() -> None:
            await call()

        entry = f"{name}: {self._subject}"
        return await step_in_context(entry, self._run_context, act, agent=self._agent)


class JournaledRunHooks(RunHooks[Any]):
    """Stands for the hooks of one run while it runs. Its methods call nothing; they say what to call."""

    def __init__(self, hooks: RunHooks[Any]) -> None:
        self._hooks = hooks

    def _call(
        self, method: str, subject: str, context: RunContextWrapper[Any], agent: Agent[Any], *data: Any
    ) -> Any:
        overridden = _overrides(self._hooks, RunHooks, method)
        hook = getattr(self._hooks, method)
        return HookCall(
            method, subject, context, agent, (lambda: hook(context, agent, *data)) if overridden else None
        )

    # Not coroutines, because whoever gathers them must see what they are; else as the SDK declares them.

    def on_agent_start(self, context: Any, agent: Any) -> Any:
        return self._call("on_agent_start", agent.name, context, agent)

    def on_agent_end(self, context: Any, agent: Any, output: Any) -> Any:
        return self._call("on_agent_end", agent.name, context, agent, output)

    def on_llm_start(self, context: Any, agent: Any, system_prompt: Any, input_items: Any) -> Any:
        return self._call("on_llm_start", agent.name, context, agent, system_prompt, input_items)

    def on_llm_end(self, context: Any, agent: Any, response: Any) -> Any:
        return self._call("on_llm_end", agent.name, context, agent, response)

    def on_tool_start(self, context: Any, agent: Any, tool: Any) -> Any:
        return self._call("on_tool_start", tool.name, context, agent, tool)

    def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> Any:
        return self._call("on_tool_end", tool.name, context, agent, tool, result)

    def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> Any:
        return self._call("on_handoff", to_agent.name, context, from_agent, to_agent)


def overridden(hooks: object, base: type[Any]) -> list[str]:
    """The hooks of `base` that a user wrote."""
    return [name for name in dir(hooks) if name.startswith("on_") and _overrides(hooks, base, name)]


def _overrides(hooks: object, base: type[Any], method: str) -> bool:
    """Whether a user wrote this method, in a class or on the object."""
    return method in vars(hooks) or getattr(type(hooks), method) is not getattr(base, method)
