"""DurableRunner: `agents.Runner` inside a restate handler, durably."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar, cast

import restate
from agents import (
    Agent,
    AgentsException,
    RunConfig,
    RunErrorHandlers,
    RunHooks,
    Runner,
    RunResult,
    RunResultStreaming,
    RunState,
    Session,
    TResponseInputItem,
)
from agents.run_config import DEFAULT_MAX_TURNS
from restate.extensions import current_context

from perdure import durable
from perdure.durable.step import final
from perdure.errors import NotDurable
from perdure.openai import compat, tool_code
from perdure.openai.compat.approvals import application_context, decided
from perdure.openai.options import DurableOptions, entered
from perdure.openai.streamed_run import DrivenStreaming, DurableStreaming

TContext = TypeVar("TContext")

compat.install()


class DurableRunner:
    """Runs agents so that each model call and each tool call happens once and is journaled."""

    @classmethod
    async def run(
        cls,
        starting_agent: Agent[TContext],
        input: str | list[TResponseInputItem] | RunState[TContext],  # noqa: A002 - the SDK's name
        *,
        context: TContext | None = None,
        max_turns: int | None = DEFAULT_MAX_TURNS,
        hooks: RunHooks[TContext] | None = None,
        run_config: RunConfig | dict[str, Any] | None = None,
        error_handlers: RunErrorHandlers[TContext] | None = None,
        previous_response_id: str | None = None,
        auto_previous_response_id: bool = False,
        conversation_id: str | None = None,
        session: Session | None = None,
        options: DurableOptions | None = None,
    ) -> RunResult:
        """`agents.Runner.run`, durably: same parameters, same result, same exceptions.

        options: what Perdure adds; without it, those of the enclosing run or handler.

        A tool call that needs approval suspends the invocation until somebody decides (see approvals.py),
        unless the options say `approvals="return"`.

        Call it in a restate handler, or from code that a durable run is running already. With
        `context=ctx`, the restate context, tools whose first parameter is a RunContextWrapper get it as
        `wrapper.context`, and orchestrate steps of their own.

        Raises what `Runner.run` raises. Such an error is final: it is in the journal, so if nobody catches
        it, the invocation fails with it and is not retried. NotDurable outside of a handler;
        restate.TerminalError as `durable.run` does.
        """

        async def main() -> RunResult:
            theirs: Any = application_context(input) if context is None else context
            ours: Any = durable.current() if isinstance(theirs, restate.Context) else theirs
            run = partial(
                Runner.run,
                starting_agent,
                hooks=hooks,
                run_config=run_config,
                error_handlers=error_handlers,
                session=session,
            )
            with entered(options) as current:
                result = await run(
                    input,
                    context=ours,
                    max_turns=max_turns,
                    previous_response_id=previous_response_id,
                    auto_previous_response_id=auto_previous_response_id,
                    conversation_id=conversation_id,
                )
                while result.interruptions and current.approvals == "wait":
                    state = await decided(result, current.approval_timeout_ms)
                    result = await run(state)  # which knows its context, turns and conversation
            if ours is not theirs:  # the handler's own again, where the handler looks at it
                result.context_wrapper.context = theirs
            return result

        try:
            return await durable.run(_handler_context("run"), main)
        except AgentsException as error:
            raise final(error)  # noqa: B904 - the same error, marked

    @classmethod
    def run_streamed(
        cls,
        starting_agent: Agent[TContext],
        input: str | list[TResponseInputItem] | RunState[TContext],  # noqa: A002 - the SDK's name
        context: TContext | None = None,
        max_turns: int | None = DEFAULT_MAX_TURNS,
        hooks: RunHooks[TContext] | None = None,
        run_config: RunConfig | dict[str, Any] | None = None,
        previous_response_id: str | None = None,
        auto_previous_response_id: bool = False,
        conversation_id: str | None = None,
        session: Session | None = None,
        *,
        error_handlers: RunErrorHandlers[TContext] | None = None,
        options: DurableOptions | None = None,
    ) -> RunResultStreaming:
        """`agents.Runner.run_streamed`, durably: same parameters, same events, same exceptions.

        The events come in the same order on every replay. Those of a model call come together, when its
        answer is in the journal; readers of the invocation's stream see its words while the model speaks.

        On the deterministic loop (in a `@durable` handler, a tool that orchestrates) the run begins at once.
        In any other handler it begins with the first event that is read from `stream_events()`, goes on while
        events are read, and is given up where the handler stops reading them.

        Raises, and `stream_events()` does, as `run` does.
        """
        ctx = _handler_context("run_streamed")
        theirs: Any = application_context(input) if context is None else context
        run = partial(
            Runner.run_streamed,
            starting_agent,
            hooks=hooks,
            run_config=run_config,
            error_handlers=error_handlers,
            session=session,
        )

        def first() -> RunResultStreaming:
            ours: Any = durable.current() if isinstance(theirs, restate.Context) else theirs
            return run(
                input,
                context=ours,
                max_turns=max_turns,
                previous_response_id=previous_response_id,
                auto_previous_response_id=auto_previous_response_id,
                conversation_id=conversation_id,
            )

        def start() -> DurableStreaming:
            return DurableStreaming(first, run, decided, options)

        streaming: Any = start() if durable.on_deterministic_loop() else DrivenStreaming(ctx, theirs, start)
        return cast(RunResultStreaming, streaming)


tool_code.RUNNERS.append(DurableRunner)


def _handler_context(method: str) -> restate.Context:
    context = durable.current() or _restate_context()
    if context is None:
        raise NotDurable(
            f"DurableRunner.{method}(...) was called outside of a restate handler, where there is no "
            f"journal. Call it in a function decorated with @service.handler(), or use "
            f"agents.Runner.{method}(...)"
        )
    return context


def _restate_context() -> restate.Context | None:
    try:
        return current_context()
    except LookupError:
        return None
