"""Model calls, and the providers behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from agents import ModelResponse

from perdure.durable import ONCE, current
from perdure.openai import model, options
from perdure.openai.compat.point import Point

_GET_RESPONSE = Point(
    "agents.run_internal.run_loop", "get_response_with_retry", "get_response", "retry_settings", "rewind"
)
_STREAM_RESPONSE = Point("agents.run_internal.run_loop", "stream_response_with_retry", "get_stream")
_CLOSE_PROVIDER = Point("agents.run", "_close_runner_owned_model_provider", "model_provider")
_RETRIES_OFF = Point("agents.models._retry_runtime", "provider_managed_retries_disabled", "disabled")


async def _get_response(
    original: Any, *, get_response: Any, retry_settings: Any, **arguments: Any
) -> ModelResponse:
    _, retries_off = _RETRIES_OFF.find()
    # With ModelSettings(retry=...) the runner itself makes the tries, and each is one step of one try.
    by_runner = retry_settings is not None and retry_settings.max_retries
    retry = ONCE if by_runner else options.current_options().model_retry

    async def journaled() -> ModelResponse:
        with retries_off(True):
            return await model.call_model(get_response, retry)

    response: ModelResponse = await original(
        get_response=journaled, retry_settings=retry_settings, **arguments
    )
    return response


def _stream_response(_original: Any, **_arguments: Any) -> AsyncIterator[Any]:
    model.refuse_streaming()


async def _close_provider(original: Any, model_provider: Any) -> None:
    """The provider's connections belong to the real loop, and closing them is no part of the run."""
    context = current()
    assert context is not None
    context.detach(lambda: original(model_provider))


RELIED_ON = (_RETRIES_OFF,)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {
    _GET_RESPONSE: _get_response,
    _STREAM_RESPONSE: _stream_response,
    _CLOSE_PROVIDER: _close_provider,
}
