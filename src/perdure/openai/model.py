"""A model call is one step, named `call LLM`, whoever makes the model. In background mode it is two: one that
asks, and one that fetches the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from agents import ModelResponse

from perdure.durable import RetryPolicy, current
from perdure.durable.context import enclosing_step
from perdure.durable.step import Codec, tries
from perdure.openai import agent_changes, reattach, step_calls
from perdure.openai.reattach import Failed, Pending

CALL = "call LLM"

A = TypeVar("A")


async def call_model(
    get_response: Callable[[], Awaitable[ModelResponse]], retry: RetryPolicy
) -> ModelResponse:
    """Await `get_response()` once in the life of the invocation, and its journaled answer ever after.

    Raises what it raises, marked as final.
    """
    return await answered(partial(reattach.create, get_response), get_response, retry, reattach.ANSWER)


async def answered(
    ask: Callable[[], Awaitable[A | Pending]],
    fetch: Callable[[], Awaitable[A]],
    retry: RetryPolicy,
    codec: Codec[A | Pending | Failed],
) -> A:
    """The answer of a model: what `ask()` brings, in a step, or where that is pending, `fetch()` in another
    one. A response that failed at the provider is followed by a new one, as `retry` says.
    """
    context = current()
    assert context is not None
    attempt = 1
    while True:
        answer = await tries(context, CALL, _ask, (ask, agent_changes.lacking(context)), retry, codec)
        if isinstance(answer, Pending):
            answer = await reattach.retrieve(context, answer, fetch, codec, retry, attempt)
        if not isinstance(answer, Failed):
            return answer
        await context.sleep_ms(answer.delay_ms)
        attempt += 1


async def _ask(ask: Callable[[], Awaitable[A]], lacking: str | None) -> A:
    """In the step. What the agent lacks is no matter to an answer that is journaled already."""
    if lacking is not None and (scope := enclosing_step()) is not None:
        raise scope.refuse(lacking)
    return await step_calls.of_model(ask)
