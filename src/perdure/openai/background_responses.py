"""What stands in the place of the client's `responses.create` in a step that is about a background response.

A model asks its client for a response as it always does. In the step that fetches, what it gets is the
response that was created before: as a whole, once it is finished, or as the stream of its events. In the step
that cancels, it is the cancelling.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, Protocol

import httpx2
import openai
from agents import ModelBehaviorError
from openai import AsyncOpenAI
from openai.types.responses import Response

from perdure.durable import RetryPolicy

UNFINISHED = frozenset({"queued", "in_progress"})
_ENDS = frozenset({"response.completed", "response.failed", "response.incomplete", "error"})

_FIRST_POLL_MS, _POLL_FACTOR, _POLL_MS_MAX = 250, 1.5, 5_000
# A poll costs nothing, and what it asks for is paid: about ten minutes of failed polls in a row are borne.
_POLLS = RetryPolicy(attempts_max=24)
# Failures of a response that would have been an HTTP status, had the caller waited on the line for it.
_STATUS_OF_FAILURE = {"server_error": 500, "rate_limit_exceeded": 429, "vector_store_timeout": 504}

Options = dict[str, Any]


class Events:
    """What the SDK reads of an API response whose body is a stream."""

    request_id = None  # each event has that of the connection that it came by

    def __init__(self, events: AsyncIterator[Any]) -> None:
        self._events = events

    async def parse(self) -> AsyncIterator[Any]:
        return self._events


class Call(Protocol):
    """Stands for `responses.create(**options)`, and for that of `responses.with_streaming_response`."""

    async def whole(self, client: AsyncOpenAI, options: Options) -> Any: ...

    def streamed(self, client: AsyncOpenAI, options: Options) -> AbstractAsyncContextManager[Any]: ...


class Creating:
    """`responses.create`, remembering the id of a response that is not finished."""

    def __init__(self) -> None:
        self.unfinished: str | None = None

    async def whole(self, client: AsyncOpenAI, options: Options) -> Any:
        response = await client.responses.create(**options)
        if getattr(response, "status", None) in UNFINISHED:
            self.unfinished = response.id
        return response

    def streamed(self, client: AsyncOpenAI, options: Options) -> AbstractAsyncContextManager[Any]:
        return client.responses.with_streaming_response.create(**options)


class Fetching:
    """The response that was created before.

    `failure` says why, if it failed in a way that makes a new one worth a try.
    """

    def __init__(self, response_id: str) -> None:
        self._response_id = response_id
        self.failure: openai.APIStatusError | None = None

    async def whole(self, client: AsyncOpenAI, options: Options) -> Response:
        """Once it is finished."""
        response = await self._finished(client, _shared(options, "include"))
        self._raise_for(response, client)
        return response

    @asynccontextmanager
    async def streamed(self, client: AsyncOpenAI, options: Options) -> AsyncIterator[Events]:
        """All its events, from the first one on."""
        yield Events(self._events(client, _shared(options, "include")))

    async def _finished(self, client: AsyncOpenAI, options: Options) -> Response:
        delay_ms, failures = float(_FIRST_POLL_MS), 0
        while True:
            try:
                response = await client.responses.retrieve(self._response_id, **options)
            except openai.APIError as error:
                failures += 1
                if (pause_ms := _POLLS.delay_ms(error, failures)) is None:
                    raise
            else:
                if response.status not in UNFINISHED:
                    return response
                failures, pause_ms = 0, round(delay_ms)
                delay_ms = min(delay_ms * _POLL_FACTOR, _POLL_MS_MAX)
            await asyncio.sleep(pause_ms / 1000)

    async def _events(self, client: AsyncOpenAI, options: Options) -> AsyncIterator[Any]:
        """A connection that breaks is followed by another one, which goes on behind the last event."""
        retrieve: Any = partial(
            client.responses.with_streaming_response.retrieve, self._response_id, stream=True, **options
        )
        heard: Options = {}
        failures = 0
        while True:
            try:
                async with retrieve(**heard) as answer:
                    async for event in await answer.parse():
                        failures, heard = 0, {"starting_after": event.sequence_number}
                        if isinstance(response := getattr(event, "response", None), Response):
                            response._request_id = answer.request_id
                            self._raise_for(response, client)
                        yield event
                        if event.type in _ENDS:
                            return
                # An end that no event told: as that of a response which somebody cancelled.
                self._raise_for(await client.responses.retrieve(self._response_id, **options), client)
                broken: Exception = _broken_off(client, self._response_id)
            except (openai.APIError, httpx2.TransportError) as error:
                broken = error
            failures += 1
            if broken is self.failure or (pause_ms := _POLLS.delay_ms(broken, failures)) is None:
                raise broken
            await asyncio.sleep(pause_ms / 1000)

    def _raise_for(self, response: Response, client: AsyncOpenAI) -> None:
        if response.status == "cancelled":
            raise ModelBehaviorError(f"the background response {response.id} was cancelled at the provider")
        code = response.error.code if response.error is not None else ""
        if response.status == "failed" and code in _STATUS_OF_FAILURE:
            self.failure = _failure(client, response, _STATUS_OF_FAILURE[code])
            raise self.failure


class Cancelling:
    """The end of the response that was created before."""

    def __init__(self, response_id: str) -> None:
        self._response_id = response_id

    async def whole(self, client: AsyncOpenAI, options: Options) -> Response:
        return await client.responses.cancel(self._response_id, **_shared(options))

    @asynccontextmanager
    async def streamed(self, client: AsyncOpenAI, options: Options) -> AsyncIterator[Events]:
        """Without an event."""
        await self.whole(client, options)
        yield Events(_nothing())


_call: contextvars.ContextVar[Call | None] = contextvars.ContextVar(
    "perdure_background_response", default=None
)


def begin(call: Call) -> None:
    """Let the client of a model that is asked from here be one whose `responses.create` is `call`. Ends with
    the calling task.
    """
    _call.set(call)


def client_in_step(client: AsyncOpenAI) -> Any:
    """The client that a model uses in a model step: its own, but for `responses.create`."""
    if (call := _call.get()) is None:
        return client

    async def whole(**options: Any) -> Any:
        return await call.whole(client, options)

    def streamed(**options: Any) -> AbstractAsyncContextManager[Any]:
        return call.streamed(client, options)

    def streaming() -> Any:
        return _Seen(client.responses.with_streaming_response, {"create": lambda: streamed})

    def responses() -> Any:
        return _Seen(client.responses, {"create": lambda: whole, "with_streaming_response": streaming})

    return _Seen(client, {"responses": responses})


class _Seen:
    """An object with attributes replaced. They are made when they are asked for: not every model uses this
    part of the API.
    """

    def __init__(self, of: Any, instead: Mapping[str, Callable[[], Any]]) -> None:
        self._of, self._instead = of, instead

    def __getattr__(self, name: str) -> Any:
        make = self._instead.get(name)
        return getattr(self._of, name) if make is None else make()


async def _nothing() -> AsyncIterator[Any]:
    return
    yield


def _shared(options: Options, *more: str) -> Options:
    """What a creation and the requests that follow it have in common."""
    names = ("extra_headers", "extra_query", "timeout", *more)
    return {name: options[name] for name in names if options.get(name)}


def _broken_off(client: AsyncOpenAI, response_id: str) -> openai.APIConnectionError:
    request = httpx2.Request("GET", f"{client.base_url}responses/{response_id}")
    message = f"the stream of the background response {response_id} ended, and the response has not"
    return openai.APIConnectionError(message=message, request=request)


def _failure(client: AsyncOpenAI, response: Response, status: int) -> openai.APIStatusError:
    assert response.error is not None
    cls = openai.RateLimitError if status == 429 else openai.InternalServerError
    request = httpx2.Request("GET", f"{client.base_url}responses/{response.id}")
    message = f"the background response {response.id} failed: {response.error.message}"
    return cls(
        message,
        response=httpx2.Response(status, request=request),
        body=response.error.model_dump(mode="json"),
    )
