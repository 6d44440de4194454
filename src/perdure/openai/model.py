"""A model call is one step, named `call LLM`, whoever makes the model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NoReturn

from agents import ModelResponse

from perdure.durable import RetryPolicy, current
from perdure.durable.step import tries
from perdure.errors import NotDurable
from perdure.openai.codec import MODEL_RESPONSE

CALL = "call LLM"


async def call_model(
    get_response: Callable[[], Awaitable[ModelResponse]], retry: RetryPolicy
) -> ModelResponse:
    """Await `get_response()` once in the life of the invocation, and its journaled answer ever after."""
    context = current()
    assert context is not None

    async def call() -> ModelResponse:
        return await get_response()

    return await tries(context, CALL, call, (), retry, MODEL_RESPONSE)


def refuse_streaming() -> NoReturn:
    """Streams come with a later version; a stream that a replay cannot repeat must not pass in silence."""
    context = current()
    assert context is not None
    raise context.fail(
        NotDurable(
            "a streamed model call (Runner.run_streamed, or on_stream of as_tool) cannot be journaled by "
            "this version of Perdure. Use DurableRunner.run(...), and as_tool(...) without on_stream"
        )
    )
