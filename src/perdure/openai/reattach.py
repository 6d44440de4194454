"""Background responses: asked for once, and fetched by whichever process lives to see them completed.

With `ModelSettings(store=True, extra_args={"background": True})` the Responses API answers at once with the
id of a response that it goes on working on. That id is one journal entry, the answer is another; a process
that dies between the two leaves a response that the next one fetches, instead of paying for a new one.

The SDK itself takes the first answer for the last. So a model step runs the SDK's own `get_response` with an
eye on the client: when the step is to fetch, `responses.create` of the client is the fetching. Everything
around it, from the request's headers to usage and spans, stays the SDK's.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import httpx2
import openai
from agents import ModelBehaviorError, ModelResponse, ModelTimeoutError, custom_span
from openai import AsyncOpenAI
from openai.types.responses import Response

from perdure.durable import ONCE, RetryPolicy, step, values
from perdure.durable.context import DurableContext
from perdure.durable.step import Codec, tries
from perdure.openai.codec import (
    failure_from_json,
    failure_to_json,
    response_from_json,
    response_to_json,
)

RETRIEVE, CANCEL = "retrieve response", "cancel response"

GetResponse = Callable[[], Awaitable[ModelResponse]]

_FIRST_POLL_MS, _POLL_FACTOR, _POLL_MS_MAX = 250, 1.5, 5_000
# A poll costs nothing, and what it asks for is paid: about ten minutes of failed polls in a row are borne.
_POLLS = RetryPolicy(attempts_max=24)
_UNFINISHED = frozenset({"queued", "in_progress"})
# Failures of a response that would have been an HTTP status, had the caller waited on the line for it.
_STATUS_OF_FAILURE = {"server_error": 500, "rate_limit_exceeded": 429, "vector_store_timeout": 504}


@dataclass(frozen=True)
class Pending:
    """A response that the provider works on."""

    response_id: str


@dataclass(frozen=True)
class Failed:
    """A response that failed at the provider, in a way that makes a new one worth a try after a pause."""

    error: str
    delay_ms: int


def _to_json(answer: ModelResponse | Pending | Failed) -> tuple[values.Json, dict[str, str]]:
    match answer:
        case Pending(response_id):
            return {"pending": response_id}, {}
        case Failed(error, delay_ms):
            return {"failed": error, "delay_ms": delay_ms}, {}
    return response_to_json(answer)


def _from_json(plain: values.Json, types: dict[str, str]) -> ModelResponse | Pending | Failed:
    if "pending" in plain:
        return Pending(plain["pending"])
    if "failed" in plain:
        return Failed(plain["failed"], plain["delay_ms"])
    return response_from_json(plain, types)


ANSWER: Codec[ModelResponse | Pending | Failed] = Codec(
    _to_json, _from_json, failure_to_json, failure_from_json
)


# ---- on the deterministic loop


async def retrieve(
    context: DurableContext, pending: Pending, get_response: GetResponse, retry: RetryPolicy, attempt: int
) -> ModelResponse | Failed:
    """The answer of a pending response, as one step that lasts until there is one.

    attempt: how often the model has been asked, this response included; `retry` decides by it whether a
        response that failed is followed by another one.

    Raises what the model raises for a failed response; ModelBehaviorError if it is cancelled or incomplete,
    openai.NotFoundError if the provider does not know it any more.
    """

    async def act() -> ModelResponse | Failed:
        fetching = _Fetching(pending.response_id)
        _call.set(fetching)
        try:
            return await get_response()
        except Exception as error:
            if fetching.failure is None or (delay_ms := retry.delay_ms(fetching.failure, attempt)) is None:
                raise
            return Failed(str(error), delay_ms)

    try:
        answer = await tries(context, RETRIEVE, act, (), ONCE, ANSWER)
    except (asyncio.CancelledError, ModelTimeoutError):
        await _cancel(pending, get_response)
        raise
    assert not isinstance(answer, Pending)
    return answer


async def _cancel(pending: Pending, get_response: GetResponse) -> None:
    """Tell the provider that nobody waits for it any more, so that it need not go on and bill. It may be too
    late, or out of reach; that is no reason to fail.
    """

    async def act() -> bool:
        _call.set(_Cancelling(pending.response_id))
        try:
            with custom_span("cancel response", disabled=True):
                await get_response()
        except Exception:
            return False
        return True

    await step(CANCEL, act, retry=ONCE)


async def create(get_response: GetResponse) -> ModelResponse | Pending | Failed:
    """Ask the model, in a step; its answer, or the response that it is going to give."""
    creating = _Creating()
    _call.set(creating)
    answer = await get_response()
    return creating.pending or answer


# ---- in the closures of steps, on the real loop


class _Creating:
    """`responses.create`, remembering a response that is not finished."""

    def __init__(self) -> None:
        self.pending: Pending | None = None

    async def __call__(self, client: AsyncOpenAI, options: dict[str, Any]) -> Any:
        response = await client.responses.create(**options)
        if getattr(response, "status", None) in _UNFINISHED:
            self.pending = Pending(response.id)
        return response


class _Fetching:
    """In the place of `responses.create`: the response that was created before, once it is finished."""

    def __init__(self, response_id: str) -> None:
        self._response_id = response_id
        self.failure: openai.APIStatusError | None = None

    async def __call__(self, client: AsyncOpenAI, options: dict[str, Any]) -> Response:
        response = await self._finished(client, _shared(options, "include"))
        if response.status == "cancelled":
            raise ModelBehaviorError(f"the background response {response.id} was cancelled at the provider")
        code = response.error.code if response.error is not None else ""
        if response.status == "failed" and code in _STATUS_OF_FAILURE:
            self.failure = _failure(client, response, _STATUS_OF_FAILURE[code])
            raise self.failure
        return response

    async def _finished(self, client: AsyncOpenAI, options: dict[str, Any]) -> Response:
        delay_ms, failures = float(_FIRST_POLL_MS), 0
        while True:
            try:
                response = await client.responses.retrieve(self._response_id, **options)
            except openai.APIError as error:
                failures += 1
                if (pause_ms := _POLLS.delay_ms(error, failures)) is None:
                    raise
            else:
                if response.status not in _UNFINISHED:
                    return cast(Response, response)
                failures, pause_ms = 0, round(delay_ms)
                delay_ms = min(delay_ms * _POLL_FACTOR, _POLL_MS_MAX)
            await asyncio.sleep(pause_ms / 1000)


class _Cancelling:
    """In the place of `responses.create`: the end of the response that was created before."""

    def __init__(self, response_id: str) -> None:
        self._response_id = response_id

    async def __call__(self, client: AsyncOpenAI, options: dict[str, Any]) -> Response:
        return await client.responses.cancel(self._response_id, **_shared(options))


_call: contextvars.ContextVar[_Creating | _Fetching | _Cancelling | None] = contextvars.ContextVar(
    "perdure_background_response", default=None
)


def client_in_step(client: AsyncOpenAI) -> Any:
    """The client that a model uses in a model step: its own, but for `responses.create`."""
    call = _call.get()
    return client if call is None else _Client(client, call)


class _Seen:
    """An object with an attribute replaced."""

    def __init__(self, of: Any) -> None:
        self._of = of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of, name)


class _Client(_Seen):
    def __init__(self, client: AsyncOpenAI, call: _Creating | _Fetching | _Cancelling) -> None:
        super().__init__(client)
        self._call = call

    @property
    def responses(self) -> _Responses:  # made when it is asked for: not every model uses this part of the API
        return _Responses(self._of, self._call)


class _Responses(_Seen):
    def __init__(self, client: AsyncOpenAI, call: _Creating | _Fetching | _Cancelling) -> None:
        super().__init__(client.responses)
        self._client, self._call = client, call

    async def create(self, **options: Any) -> Any:
        return await self._call(self._client, options)


def _shared(options: dict[str, Any], *more: str) -> dict[str, Any]:
    """What a creation and the requests that follow it have in common."""
    names = ("extra_headers", "extra_query", "timeout", *more)
    return {name: options[name] for name in names if options.get(name)}


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
