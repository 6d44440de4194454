"""The handler's own context is refused inside of a step.

A tool that is defined inside of a handler sees the handler's `ctx`, and `await ctx.run(...)` in it looks
right. But a step is one journal entry already: a command from inside of it would come at a moment that no
replay repeats, and not at all where the step is not run again.
"""

from __future__ import annotations

from typing import Any

from perdure.durable.context import enclosing_step


class StepGuard:
    """The SDK's state machine, for as long as a driver uses its context. It issues no command for a step."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine

    def __getattr__(self, name: str) -> Any:
        if name.startswith("sys_") and (scope := enclosing_step()) is not None:
            raise scope.refuse(
                f"the step {scope.name!r} used the handler's own restate context, and a step is one journal "
                "entry already. Call what you need directly, without ctx.run, or make the code around it run "
                "outside of a step, with durable.current() in the place of ctx: a tool under "
                "@perdure.durable_tool does"
            )
        return getattr(self._machine, name)
