"""@durable: a whole handler on the deterministic loop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

import restate
from agents import AgentsException

from perdure import durable as durable_loop
from perdure.durable.step import final
from perdure.openai.options import DurableOptions, entered

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=restate.Context)
Handler = Callable[Concatenate[C, P], Coroutine[Any, Any, T]]


@overload
def durable(handler: Handler[C, P, T], /) -> Handler[C, P, T]: ...


@overload
def durable(*, options: DurableOptions | None = None) -> Callable[[Handler[C, P, T]], Handler[C, P, T]]: ...


def durable(handler: Any = None, /, *, options: DurableOptions | None = None) -> Any:
    """Run a restate handler durably, so that plain `agents.Runner.run` is durable anywhere below it.

    Write it under `@service.handler()`. The handler, and what it calls, runs on the deterministic loop: all
    of asyncio works there, and the world is reached through agents, `step()` and the context. The context
    that it is given is the DurableContext of the run. An error of the Agents SDK (MaxTurnsExceeded, a
    tripped guardrail) that leaves the handler fails the invocation: a retry would read the same journal and
    come to the same end.

    options: for all runs below; a run's own options come before.
    """

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        async def run(ctx: restate.Context, /, *args: Any) -> Any:
            async def main() -> Any:
                with entered(options):
                    return await function(durable_loop.current(), *args)

            try:
                return await durable_loop.run(ctx, main)
            except AgentsException as error:
                raise final(error)  # noqa: B904 - the same error, marked

        return run

    return decorate if handler is None else decorate(handler)
