"""Invocations of a handler that runs an agent, on the in-memory journal."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import restate
from agents import Agent
from journal_server import JournalServer

from perdure import DurableRunner


def asked(handler: Callable[..., Coroutine[Any, Any, Any]], **options: Any) -> JournalServer:
    """An invocation of a handler `(ctx, message)`, with the message "hello". Options of JournalServer."""
    service = restate.Service("Agent")
    service.handler("run")(handler)
    return JournalServer(restate.app([service]), "/invoke/Agent/run", request=b'"hello"', **options)


def asking(agent: Agent[Any], *, suspend_always: bool = True, **options: Any) -> JournalServer:
    """An invocation that runs `agent` durably with `options`; suspended and replayed at every await."""

    async def run(ctx: restate.Context, message: str) -> Any:
        return (await DurableRunner.run(agent, message, **options)).final_output

    return asked(run, suspend_always=suspend_always)
