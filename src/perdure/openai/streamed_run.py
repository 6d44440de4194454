"""What `DurableRunner.run_streamed` returns: the SDK's result of a streamed run, durable in any handler.

On the deterministic loop the run goes on by itself, as the SDK's does. A handler that is not on it (one
without `@durable`) drives the run by reading its events: the loop runs until it has an event, and then waits
for the handler to ask for the next one. So either the run or the handler moves, never both, and what the
handler does with its own context between two events has the same place in every replay.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, Literal

import restate
from agents import AgentsException, RunResultStreaming, RunState

from perdure import durable
from perdure.durable.step import final
from perdure.openai.options import DurableOptions, begin

First = Callable[[], RunResultStreaming]
"""Starts the run, on the loop."""

Continue = Callable[[RunState[Any]], RunResultStreaming]
Decide = Callable[[RunResultStreaming, int | None], Any]
CancelMode = Literal["immediate", "after_turn"]


class DurableStreaming:
    """A streamed run on the deterministic loop, with the attributes of the SDK's `RunResultStreaming`.

    A run that waits for approvals is several of the SDK's, one after the other; the attributes are those of
    the latest.
    """

    def __init__(self, first: First, go_on: Continue, decide: Decide, options: DurableOptions | None) -> None:
        self._variables = contextvars.copy_context()
        self._options = self._variables.run(begin, options)
        self._go_on, self._decide = go_on, decide
        self._cancelled = False
        self._result = self._variables.run(first)

    # To `isinstance` it is what it stands for, as a proxy should be.
    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return RunResultStreaming

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_result"], name)

    def __str__(self) -> str:
        return str(self._result)

    def cancel(self, mode: CancelMode = "immediate") -> None:
        """End the run now, or after its turn. See `RunResultStreaming.cancel`."""
        self._cancelled = True
        self._result.cancel(mode)

    async def stream_events(self) -> AsyncIterator[Any]:
        """The events of the run, in the same order on every replay. Raises what the SDK's does, as final."""
        try:
            while True:
                events: Any = self._result.stream_events()
                async with aclosing(events):
                    async for event in events:
                        yield event
                if not self._result.interruptions or self._options.approvals != "wait" or self._cancelled:
                    return
                state = await self._decided()
                self._result = self._variables.run(self._go_on, state)
        except AgentsException as error:
            raise final(error)  # noqa: B904 - the same error, marked

    async def _decided(self) -> Any:
        waiting = asyncio.get_running_loop().create_task(
            self._decide(self._result, self._options.approval_timeout_ms), context=self._variables
        )
        return await waiting


class DrivenStreaming:
    """The same for a handler that is not on the loop. The run begins with the first event that is asked for,
    goes on while events are asked for, and ends where the handler leaves them.

    of_tools: the context of the run, as the handler gave it.
    """

    def __init__(
        self, context: restate.Context, of_tools: object, start: Callable[[], DurableStreaming]
    ) -> None:
        self._context = context
        self._of_tools = of_tools
        self._start = start
        self._streaming: DurableStreaming | None = None
        self._cancel: CancelMode | None = None
        self._offered: asyncio.Queue[Any] = asyncio.Queue()
        self._taken: asyncio.Queue[None] = asyncio.Queue()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return RunResultStreaming

    def __getattr__(self, name: str) -> Any:
        if (streaming := vars(self).get("_streaming")) is not None:
            return getattr(streaming, name)
        if name in _BEFORE_IT_BEGINS:
            return _BEFORE_IT_BEGINS[name]()
        raise AttributeError(
            f"{name!r} of a run that has not begun: in a handler without @durable it begins with the first "
            "event that is read from stream_events()"
        )

    def cancel(self, mode: CancelMode = "immediate") -> None:
        """End the run now, or after its turn. It takes effect with the next event that is asked for."""
        self._cancel = mode

    async def stream_events(self) -> AsyncIterator[Any]:
        """The events of the run. Raises what `DurableRunner.run` raises."""
        run = asyncio.create_task(durable.run(self._context, self._main), name="streamed run")
        try:
            while (offered := await self._next(run)) is not None:
                yield offered
                self._taken.put_nowait(None)
            await run
        finally:
            if not run.done():
                run.cancel()
                await asyncio.wait((run,))

    async def _next(self, run: asyncio.Task[None]) -> Any:
        getting = asyncio.create_task(self._offered.get())
        try:
            await asyncio.wait((getting, run), return_when=asyncio.FIRST_COMPLETED)
            return getting.result() if getting.done() else None
        finally:
            getting.cancel()

    async def _main(self) -> None:
        context = durable.current()
        assert context is not None
        self._streaming = streaming = self._start()
        self._pass_on_cancel(streaming)
        async for event in streaming.stream_events():
            await context.outside(partial(self._offer, event))
            self._pass_on_cancel(streaming)
        streaming.context_wrapper.context = self._of_tools  # the handler's own again, where it looks at it

    def _pass_on_cancel(self, streaming: DurableStreaming) -> None:
        mode, self._cancel = self._cancel, None
        if mode is not None:
            streaming.cancel(mode)

    async def _offer(self, event: Any) -> None:
        self._offered.put_nowait(event)
        await self._taken.get()


_BEFORE_IT_BEGINS: dict[str, Callable[[], Any]] = {
    "final_output": lambda: None,
    "is_complete": lambda: False,
    "interruptions": list,
    "new_items": list,
    "raw_responses": list,
    "current_turn": lambda: 0,
}
