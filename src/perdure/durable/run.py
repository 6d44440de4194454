"""run(): durable code inside a handler, agents or not."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import restate

from perdure.durable import step_spans
from perdure.durable.context import DurableContext, enclosing_step
from perdure.durable.driver import Driver
from perdure.durable.loop import DeterministicLoop
from perdure.errors import NotDurable

P = ParamSpec("P")
T = TypeVar("T")

_driven: set[int] = set()  # ids of the contexts that a driver is using


def on_deterministic_loop() -> bool:
    """Whether the calling code runs durably."""
    return isinstance(asyncio._get_running_loop(), DeterministicLoop)


async def run(
    ctx: restate.Context, main: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run `main(*args, **kwargs)` on a deterministic loop, inside a handler of `ctx`, and return its result.

    On that loop all of asyncio works, tasks run concurrently, and `step()` is the way to the outside world.
    Called from code that is on the loop already, it just runs `main` there.

    Raises what `main` raises; restate.TerminalError if the invocation was cancelled (409) or if `main` did
    something that the journal cannot repeat (500, with the NotDurable or Stuck error as its cause).
    """
    if on_deterministic_loop():
        return await main(*args, **kwargs)
    if (outer := enclosing_step()) is not None:
        raise outer.refuse(
            f"a durable run was started inside the step {outer.name!r}, which is one journal entry already. "
            "Start it from code that is not in a step: a tool under @perdure.durable_tool, or one whose "
            "first parameter is a RunContextWrapper[restate.Context], in a run with context=ctx"
        )
    if id(ctx) in _driven:
        raise NotDurable(
            "two durable runs at once in one handler would race for the journal. Put both under one: "
            "await durable.run(ctx, main), with asyncio.gather(...) inside of main"
        )
    driver = Driver(ctx)
    variables = contextvars.copy_context()
    context = DurableContext(driver)
    variables.run(context.enter)
    step_spans.enter(context, variables)
    _driven.add(id(ctx))
    try:
        return await driver.drive(lambda: main(*args, **kwargs), variables)
    finally:
        _driven.discard(id(ctx))
