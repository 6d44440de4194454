"""Streamed runs: the model's stream, whose turn it is, and the queue that a run's events pass through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

from agents import ModelRetrySettings, Usage
from agents.result import RunResultStreaming
from openai.types.responses import Response

from perdure.durable.step import final, not_final
from perdure.openai import budget, model, run_events, streaming
from perdure.openai.compat import open_responses
from perdure.openai.compat.models import BOUNDED, RETRIES_OFF, asked_model, policy
from perdure.openai.compat.point import Point
from perdure.openai.stream_events import StreamedAnswer

_STREAM_RESPONSE = Point(
    "agents.run_internal.run_loop",
    "stream_response_with_retry",
    "get_stream",
    "retry_settings",
    "get_retry_advice",
    "timeout",
    "replay_unsafe_request",
)
_RUN_STREAMED = Point("agents.run:AgentRunner", "run_streamed", "starting_agent", "input")
_END_OF_EVENTS = Point("agents.run_internal.run_steps", "QueueCompleteSentinel")
_USAGE = Point("agents.usage", "_response_usage_to_usage", "response_usage")
_UNREPORTED = Point("agents.usage", "_requests_for_response_without_usage", "response")


async def _stream_response(
    original: Any,
    *,
    get_stream: streaming.GetStream,
    retry_settings: ModelRetrySettings | None,
    timeout: float | None,
    replay_unsafe_request: bool,
    **arguments: Any,
) -> AsyncIterator[Any]:
    _, retries_off = RETRIES_OFF.find()
    _, bounded_by = BOUNDED.find()
    retry = policy(retry_settings, replay_unsafe_request)
    asked = asked_model(arguments["get_retry_advice"])
    response_of_run = open_responses.of_call(arguments["get_retry_advice"])
    ask = get_stream if response_of_run is None else partial(response_of_run.asked, get_stream)

    def bounded(listening: Awaitable[streaming.Answer]) -> Awaitable[streaming.Answer]:
        awaited: Awaitable[streaming.Answer] = bounded_by(listening, timeout)
        return awaited

    def call() -> Awaitable[StreamedAnswer]:
        return streaming.call_model(ask, retry, bounded, _usage_of)

    async def journaled() -> AsyncIterator[Any]:
        with retries_off(True):
            try:
                answer = await budget.spend(asked, model.CALL, call)
            except Exception as error:
                raise not_final(error)  # noqa: B904 - the same error
        for event in answer.events:
            yield event

    journaled_stream = original(
        get_stream=journaled,
        retry_settings=retry_settings,
        timeout=None,
        replay_unsafe_request=replay_unsafe_request,
        **arguments,
    )
    try:
        async with aclosing(journaled_stream):
            async for event in journaled_stream:
                yield event
    except Exception as error:
        raise final(error)  # noqa: B904 - the same error, marked
    if response_of_run is not None:
        response_of_run.answers += 1


def _usage_of(response: Response) -> Usage:
    _, read = _USAGE.find()
    _, unreported = _UNREPORTED.find()
    usage: Usage = read(response.usage) if response.usage else Usage(requests=unreported(response))
    return usage


def _run_streamed(original: Any, runner: Any, *arguments: Any, **named: Any) -> RunResultStreaming:
    with run_events.entered() as run:
        result: RunResultStreaming = original(runner, *arguments, **named)
    result._event_queue = _Told(run, result)  # the task of the run has not begun yet
    return result


class _Told(asyncio.Queue[Any]):
    """The queue of a run's events, which tells the run what passes, and ends the run where nobody waits any
    more.
    """

    def __init__(self, run: run_events.StreamedRun, result: RunResultStreaming) -> None:
        super().__init__()
        self._run, self._result = run, result
        self._told_output = False
        _, self._end = _END_OF_EVENTS.find()

    async def get(self) -> Any:
        try:
            return await super().get()
        except asyncio.CancelledError:
            # The SDK would leave without waiting for the task of the run, which may have steps to make yet:
            # it cancels a response that the provider works on.
            if (task := self._result.run_loop_task) is not None and not task.done():
                task.cancel()
                await asyncio.wait((task,))
            raise

    def put_nowait(self, item: Any) -> None:
        super().put_nowait(item)
        if not isinstance(item, self._end):  # type: ignore[arg-type]
            self._run.tell(item)
        elif self._result.final_output is not None and not self._told_output:
            self._told_output = True
            self._run.tell_output(self._result.final_output, self._result.context_wrapper.usage)


RELIED_ON = (_END_OF_EVENTS, _USAGE, _UNREPORTED)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {
    _STREAM_RESPONSE: _stream_response,
    _RUN_STREAMED: _run_streamed,
}
