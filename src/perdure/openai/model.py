"""A model call is one step, named `call LLM`, whoever makes the model. In background mode it is two: one that
asks, and one that fetches the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agents import ModelResponse

from perdure.durable import RetryPolicy, current
from perdure.durable.step import tries
from perdure.openai import reattach

CALL = "call LLM"


async def call_model(
    get_response: Callable[[], Awaitable[ModelResponse]], retry: RetryPolicy
) -> ModelResponse:
    """Await `get_response()` once in the life of the invocation, and its journaled answer ever after.

    Raises what it raises, marked as final.
    """
    context = current()
    assert context is not None
    attempt = 1
    while True:
        answer = await tries(context, CALL, reattach.create, (get_response,), retry, reattach.ANSWER)
        if isinstance(answer, reattach.Pending):
            answer = await reattach.retrieve(context, answer, get_response, retry, attempt)
        if isinstance(answer, ModelResponse):
            return answer
        assert isinstance(answer, reattach.Failed)
        await context.sleep_ms(answer.delay_ms)
        attempt += 1
