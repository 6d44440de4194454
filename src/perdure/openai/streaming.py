"""A streamed model call: one step, `call LLM`, that publishes what the model says while it speaks.

Theory of operation: the step's closure reads the model's stream to its end. The words go into the stream of
the invocation at once, for readers outside; the events go into the journal together, when there are no more.
Only then does the code on the loop get them, all in a row: a word that came before the record could wake
nobody, for a wake-up that the journal does not hold could not be repeated.

A call whose process dies half way is made again, as any step is, and so is one that failed half way and is
worth another try. What it had published is superseded by what the next one publishes. In background mode the
step ends with the first event, which names the response, and another step reads the stream of that response,
from its beginning: a process that dies has the stream read again, and not the call made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from agents import ModelResponse, Usage
from openai.types.responses import Response

from perdure.durable import RetryPolicy
from perdure.openai import turns
from perdure.openai.model import answered
from perdure.openai.reattach import Pending, announced, or_pending
from perdure.openai.run_events import StreamedRun, current_run
from perdure.openai.stream_events import STREAMED, StreamedAnswer

GetStream = Callable[[], AsyncIterator[Any]]
UsageOf = Callable[[Response], Usage]
Answer = StreamedAnswer | Pending
Bounded = Callable[[Awaitable[Answer]], Awaitable[Answer]]

_ANSWER = or_pending(STREAMED)

# So long do words gather after one was published. A reader sees no difference, and a fast model costs less.
_BATCH_MS = 5

_TEXT = frozenset({"response.output_text.delta"})
_REASONING = frozenset({"response.reasoning_text.delta", "response.reasoning_summary_text.delta"})


async def call_model(
    get_stream: GetStream, retry: RetryPolicy, bounded: Bounded, usage_of: UsageOf
) -> StreamedAnswer:
    """Read `get_stream()` to its end once in the life of the invocation, and its journaled events ever after.

    bounded: awaits under the model's time-out. usage_of: what a response says that it cost.

    Raises what the stream raises, marked as final. The events that came before are not told.
    """

    async def ask() -> Answer:
        if (run := current_run()) is not None:
            run.publish("model_call", {"agent": turns.path()[-1]})
        return await bounded(_listen(get_stream, usage_of, announced))

    async def fetch() -> StreamedAnswer:
        answer = await bounded(_listen(get_stream, usage_of, lambda _event: None))
        assert isinstance(answer, StreamedAnswer)
        return answer

    return await answered(ask, fetch, retry, _ANSWER)


async def _listen(
    get_stream: GetStream, usage_of: UsageOf, announced: Callable[[Any], Pending | None]
) -> Answer:
    events: list[Any] = []
    run = current_run()
    words = Words(run) if run is not None else None
    stream: Any = get_stream()
    try:
        async for event in stream:
            if (pending := announced(event)) is not None:
                return pending
            events.append(event)
            if words is not None:
                words.hear(event)
    finally:
        if words is not None:
            words.flush()
        if hasattr(stream, "aclose"):
            async with aclosing(stream):
                pass
    return StreamedAnswer(events, answer_of(events, usage_of))


class Words:
    """Publishes the text and the reasoning that pass by, a few words together if they come fast."""

    def __init__(self, run: StreamedRun) -> None:
        self._run = run
        self._kind, self._item, self._delta = "", "", ""
        self._resting: asyncio.TimerHandle | None = None

    def hear(self, event: Any) -> None:
        """Publish the event's words, now or in a few milliseconds."""
        name = getattr(event, "type", None)
        kind = "text" if name in _TEXT else "reasoning" if name in _REASONING else None
        if kind is None or not event.delta:
            return
        if (kind, event.item_id) != (self._kind, self._item):
            self.flush()
            self._kind, self._item = kind, event.item_id
        self._delta += event.delta
        if self._resting is None:
            self._publish()
            self._resting = asyncio.get_running_loop().call_later(_BATCH_MS / 1000, self._rested)

    def flush(self) -> None:
        """Publish what has gathered."""
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        self._publish()

    def _rested(self) -> None:
        self._resting = None
        self._publish()

    def _publish(self) -> None:
        delta, self._delta = self._delta, ""
        if delta:
            self._run.publish(self._kind, {"delta": delta, "item": self._item})


def answer_of(events: list[Any], usage_of: UsageOf) -> ModelResponse | None:
    """What a stream of the Responses API comes to; None for one without an end."""
    ends = (event for event in reversed(events) if getattr(event, "type", None) == "response.completed")
    if (end := next(ends, None)) is None:
        return None
    response: Response = end.response
    done = (event.item for event in events if getattr(event, "type", None) == "response.output_item.done")
    return ModelResponse(
        output=list(response.output) or list(done),  # some providers leave the output of the end empty
        usage=usage_of(response),
        response_id=response.id,
        request_id=getattr(response, "_request_id", None),
    )
