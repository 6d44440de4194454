"""Background responses: asked for once, and fetched by whichever process lives to see them completed.

With `ModelSettings(store=True, extra_args={"background": True})` the Responses API answers at once with the
id of a response that it goes on working on. That id is one journal entry, the answer is another; a process
that dies between the two leaves a response that the next one fetches, instead of paying for a new one.

The SDK itself takes the first answer for the last. So a model step runs the SDK's own `get_response`, or
reads its `stream_response`, with an eye on the client: when the step is to fetch, `responses.create` of the
client is the fetching (see background_responses.py). Everything around it, from the request's headers to
usage and spans, stays the SDK's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from agents import ModelResponse, ModelTimeoutError, custom_span

from perdure.durable import ONCE, RetryPolicy, step, values
from perdure.durable.context import DurableContext
from perdure.durable.step import Codec, tries
from perdure.openai import step_calls
from perdure.openai.background_responses import UNFINISHED, Cancelling, Creating, Fetching, begin
from perdure.openai.codec import MODEL_RESPONSE

A = TypeVar("A")

RETRIEVE, CANCEL = "retrieve response", "cancel response"


@dataclass(frozen=True)
class Pending:
    """A response that the provider works on."""

    response_id: str


@dataclass(frozen=True)
class Failed:
    """A response that failed at the provider, in a way that makes a new one worth a try after a pause."""

    error: str
    delay_ms: int


def or_pending(codec: Codec[A]) -> Codec[A | Pending | Failed]:
    """Journals an answer with `codec`, and what stands for one that is not there yet."""

    def to_json(answer: A | Pending | Failed) -> tuple[values.Json, dict[str, str]]:
        match answer:
            case Pending(response_id):
                return {"pending": response_id}, {}
            case Failed(error, delay_ms):
                return {"failed": error, "delay_ms": delay_ms}, {}
        return codec.to_json(answer)

    def from_json(plain: values.Json, types: dict[str, str]) -> A | Pending | Failed:
        if "pending" in plain:
            return Pending(plain["pending"])
        if "failed" in plain:
            return Failed(plain["failed"], plain["delay_ms"])
        return codec.from_json(plain, types)

    return Codec(to_json, from_json, codec.failure_to_json, codec.failure_from_json)


ANSWER = or_pending(MODEL_RESPONSE)


# ---- on the deterministic loop


async def retrieve(
    context: DurableContext,
    pending: Pending,
    ask: Callable[[], Awaitable[A]],
    codec: Codec[A | Pending | Failed],
    retry: RetryPolicy,
    attempt: int,
) -> A | Failed:
    """The answer of a pending response, as one step that lasts until there is one.

    ask: what asks the model, and here fetches from it. attempt: how often the model has been asked, this
        response included; `retry` decides by it whether a response that failed is followed by another one.

    Raises what the model raises for a failed response; ModelBehaviorError if it is cancelled or incomplete,
    openai.NotFoundError if the provider does not know it any more.
    """

    async def act() -> A | Failed:
        fetching = Fetching(pending.response_id)
        begin(fetching)
        try:
            return await step_calls.of_model(ask)
        except Exception as error:
            if fetching.failure is None or (delay_ms := retry.delay_ms(fetching.failure, attempt)) is None:
                raise
            return Failed(str(error), delay_ms)

    try:
        answer = await tries(context, RETRIEVE, act, (), ONCE, codec)
    except (asyncio.CancelledError, ModelTimeoutError):
        await _cancel(pending, ask)
        raise
    assert not isinstance(answer, Pending)
    return answer


async def _cancel(pending: Pending, ask: Callable[[], Awaitable[object]]) -> None:
    """Tell the provider that nobody waits for it any more, so that it need not go on and bill. It may be too
    late, or out of reach; that is no reason to fail.
    """

    async def act() -> bool:
        begin(Cancelling(pending.response_id))
        try:
            with custom_span("cancel response", disabled=True):
                await ask()
        except Exception:
            return False
        return True

    await step(CANCEL, act, retry=ONCE)


# ---- in the closures of steps, on the real loop


async def create(get_response: Callable[[], Awaitable[ModelResponse]]) -> ModelResponse | Pending:
    """Ask the model; its answer, or the response that it is going to give."""
    creating = Creating()
    begin(creating)
    answer = await get_response()
    return answer if creating.unfinished is None else Pending(creating.unfinished)


def announced(event: Any) -> Pending | None:
    """The response in background mode of which a stream's first event says that it is going to be given."""
    response: Any = getattr(event, "response", None)
    if getattr(response, "background", None) is not True or response.status not in UNFINISHED:
        return None
    return Pending(response.id)
