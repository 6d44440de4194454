"""DurableOptions: what Perdure adds to a run, in one place. Runs inside a run inherit it."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from perdure.durable import RetryPolicy
from perdure.openai.budget import Budget, opened
from perdure.openai.budget import begin as begin_budget
from perdure.openai.mcp_connections import may_pass
from perdure.streams.events import DEFAULT_NAME

# 408, 409, 429, 5xx and network errors, as the OpenAI client does by itself. Its own retries are off under
# this one: two layers would multiply, and only ours are in the journal.
MODEL_RETRY = RetryPolicy(attempts_max=4, initial_delay_ms=500, delay_ms_max=30_000)

# What an MCP server is asked that changes nothing: its tools, prompts and resources.
MCP_RETRY = RetryPolicy(retryable=may_pass)


@dataclass(frozen=True, kw_only=True)
class DurableOptions:
    """How a run is made durable. Every option has a default that suits most agents.

    model_retry: which errors of a model call are tried again, and when. Each try is one journal entry, the
        pause between two is a durable sleep, and a Retry-After of the provider is obeyed. An agent with
        `ModelSettings(retry=...)` follows that instead.
    approvals: "wait" makes `DurableRunner.run` wait for the decisions on tool calls that need approval;
        "return" hands them to the caller as `result.interruptions`, as the SDK's `Runner.run` does.
    approval_timeout_ms: a call that is not decided after so long is rejected. None waits for ever.
    budget: what the run may spend on model calls, those of the runs inside of it included. A run inside may
        have one of its own; then both pay, and the first that is used up stops it.
    mcp_retry: which requests to an MCP server that change nothing (its tools, prompts and resources) are
        made again, and when. A tool of it is called once.
    agents_in_steps: what happens when an agent is run inside of a step, by a plain tool that calls a function
        which runs agents. Such a run is not journaled: a crash has it made again. "warn" logs it once,
        "refuse" fails the run, "allow" says nothing. Under a budget it is refused.
    stream: the name of the invocation's stream into which a streamed run publishes. Runs that stream at the
        same time in one handler want one each.
    """

    model_retry: RetryPolicy = MODEL_RETRY
    approvals: Literal["wait", "return"] = "wait"
    approval_timeout_ms: int | None = None
    budget: Budget | None = None
    mcp_retry: RetryPolicy = MCP_RETRY
    agents_in_steps: Literal["warn", "refuse", "allow"] = "warn"
    stream: str = DEFAULT_NAME


_options: contextvars.ContextVar[DurableOptions | None] = contextvars.ContextVar(
    "perdure_options", default=None
)


def current_options() -> DurableOptions:
    """The options of the innermost run that the calling code belongs to; the defaults outside of one."""
    return _options.get() or DurableOptions()


def begin(options: DurableOptions | None) -> DurableOptions:
    """Make `options` current, and open their budget, for as long as the calling contextvars are in use; with
    None, those of the enclosing run go on.
    """
    if options is not None:
        _options.set(options)
        begin_budget(options.budget)
    return current_options()


@contextmanager
def entered(options: DurableOptions | None) -> Iterator[DurableOptions]:
    """Make `options` current, and open their budget; with None, those of the enclosing run go on."""
    token = _options.set(options or current_options())
    try:
        with opened(options.budget if options is not None else None):
            yield current_options()
    finally:
        _options.reset(token)
