"""Following a stream: every event once, in order, over as many connections as it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

from perdure.client.backoff import Tries
from perdure.client.bodies import answer_error
from perdure.client.exchange import Exchange, is_in_between, words_of
from perdure.errors import ClientError, StreamGap
from perdure.streams.events import END, StreamEvent
from perdure.streams.sse import event_of

_ENDED_ALREADY = 204


async def follow(
    exchange: Exchange, reference: str, stream: str, from_index: int
) -> AsyncIterator[StreamEvent]:
    """See Client.stream."""
    tries = Tries(exchange.backoff)
    # Unknown until the first event comes, where the last N are asked for.
    expected = from_index if from_index >= 0 else None
    while True:
        problem = f"{exchange.url} ends the stream before its end"
        cause: Exception | None = None
        query = {"stream": stream, "from": str(from_index if expected is None else expected)}
        try:
            async with exchange.events(f"{reference}/stream", query) as source:
                response = source.response
                if response.status_code == _ENDED_ALREADY:
                    return
                if response.is_success:
                    tries.answered()
                    async for frame in source:
                        if not frame.data:  # only `retry:`, and our back-off knows better
                            continue
                        event = event_of(frame.id, frame.event, frame.data)
                        if expected is not None and event.index != expected:
                            raise StreamGap(f"event {event.index} came where {expected} is next")
                        expected = event.index + 1
                        tries.progressed()
                        yield event
                        if event.type == END:
                            return
                elif is_in_between(response):
                    problem = f"{exchange.url} answers {response.status_code}"
                else:
                    await response.aread()
                    raise answer_error(response)
        except httpx2.SSEError as error:
            raise ClientError(f"what {exchange.url}{reference} answers with is no stream: {error}") from error
        except httpx2.TransportError as error:
            problem, cause = f"{exchange.url} breaks off: {words_of(error)}", error
        await tries.pause(problem, cause)
