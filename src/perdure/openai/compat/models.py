"""Model calls, and the providers behind them."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx2
from agents import ModelResponse, ModelRetrySettings, OpenAIChatCompletionsModel, OpenAIResponsesModel

from perdure.durable import ONCE, RetryPolicy, current
from perdure.durable.step import final, not_final
from perdure.openai import background_responses, budget, model, options
from perdure.openai.compat import open_responses
from perdure.openai.compat.point import Point
from perdure.openai.prices import Asked

_GET_RESPONSE = Point(
    "agents.run_internal.run_loop",
    "get_response_with_retry",
    "get_response",
    "rewind",
    "retry_settings",
    "get_retry_advice",
    "timeout",
    "replay_unsafe_request",
)
_CLOSE_PROVIDER = Point("agents.run", "_close_runner_owned_model_provider", "model_provider")
RETRIES_OFF = Point("agents.models._retry_runtime", "provider_managed_retries_disabled", "disabled")
BOUNDED = Point("agents.run_internal.model_retry", "_await_model_attempt", "awaitable", "timeout")
_RETRY_DELAY = Point("agents.run_internal.model_retry", "_default_retry_delay", "attempt", "backoff")
_ADAPTERS = {
    "agents.extensions.models.litellm_model": "LitellmModel",
    "agents.extensions.models.any_llm_model": "AnyLLMModel",
}
_CLIENT = Point("agents.models.openai_responses:OpenAIResponsesModel", "_get_client")


async def _get_response(
    original: Any,
    *,
    get_response: Any,
    retry_settings: ModelRetrySettings | None,
    timeout: float | None,
    replay_unsafe_request: bool,
    **arguments: Any,
) -> ModelResponse:
    _, retries_off = RETRIES_OFF.find()
    _, bounded = BOUNDED.find()
    retry = policy(retry_settings, replay_unsafe_request)
    asked = asked_model(arguments["get_retry_advice"])
    response_of_run = open_responses.of_call(arguments["get_retry_advice"])
    ask = get_response if response_of_run is None else partial(response_of_run.asked, get_response)

    # The time-out runs inside of the step. A durable timer would count the time that the process was down.
    async def attempt() -> ModelResponse:
        response: ModelResponse = await bounded(ask(), timeout)
        return response

    # To the runner's own retries a final error, with a TerminalError for its cause, would look like a status
    # of 500.
    async def journaled() -> ModelResponse:
        with retries_off(True):
            try:
                return await budget.spend(asked, model.CALL, lambda: model.call_model(attempt, retry))
            except Exception as error:
                raise not_final(error)  # noqa: B904 - the same error

    try:
        response: ModelResponse = await original(
            get_response=journaled,
            retry_settings=retry_settings,
            timeout=None,
            replay_unsafe_request=replay_unsafe_request,
            **arguments,
        )
    except Exception as error:
        raise final(error)  # noqa: B904 - the same error, marked
    if response_of_run is not None:
        response_of_run.answers += 1
    return response


def policy(settings: ModelRetrySettings | None, replay_unsafe: bool) -> RetryPolicy:
    """Our policy stands where the provider's own retries stood. Where the runner makes the tries, by
    `ModelSettings(retry=...)`, or forbids them, each call is one try.
    """
    tries_max = settings.max_retries if settings is not None else None
    forbidden = replay_unsafe or (tries_max is not None and tries_max <= 0)
    by_runner = settings is not None and settings.policy is not None and bool(tries_max)
    return ONCE if forbidden or by_runner else options.current_options().model_retry


def _retry_delay(original: Any, *arguments: Any, **named: Any) -> float:
    """The runner's pause, its jitter drawn from the seed of the invocation: a replay pauses as long."""
    context = current()
    assert context is not None
    state = random.getstate()
    random.seed(context.random().getrandbits(64))
    try:
        return float(original(*arguments, **named))
    finally:
        random.setstate(state)


def asked_model(get_retry_advice: Any) -> Asked:
    """The model whose bound method the runner hands around: the name that it is asked for by, and at whose
    door.
    """
    asked: Any = getattr(get_retry_advice, "__self__", None)
    name = getattr(asked, "model", None)
    if not isinstance(name, str):
        return Asked()
    if isinstance(asked, OpenAIResponsesModel | OpenAIChatCompletionsModel):
        return Asked(name, name, address=_address(getattr(asked._client, "base_url", "")))
    provider, _, reference = name.partition("/")
    if not reference or not _is_adapter(asked):
        return Asked(name)
    if (address := asked.base_url or _of_environment(provider)) is not None:
        return Asked(name, reference, address=_address(address))
    return Asked(name, reference, provider=provider)


def _is_adapter(asked: object) -> bool:
    """Whether it asks LiteLLM or any-llm, which need not be installed."""
    return any(
        isinstance(asked, getattr(sys.modules[module], cls))
        for module, cls in _ADAPTERS.items()
        if module in sys.modules
    )


def _of_environment(provider: str) -> str | None:
    """Where adapters look for the address of a provider's API, if they are told none."""
    name = provider.upper().replace("-", "_")
    return os.environ.get(f"{name}_BASE_URL") or os.environ.get(f"{name}_API_BASE") or None


def _address(url: object) -> str | None:
    """Without what may be secret in it, for errors tell it. None if it is none."""
    try:
        return str(httpx2.URL(str(url)).copy_with(username=None, password=None, query=None)) or None
    except httpx2.InvalidURL:
        return None


async def _close_provider(original: Any, model_provider: Any) -> None:
    """The provider's connections belong to the real loop, and closing them is no part of the run."""
    context = current()
    assert context is not None
    context.detach(lambda: original(model_provider))


def _client(original: Any, model_of_client: Any) -> Any:
    return background_responses.client_in_step(original(model_of_client))


RELIED_ON = (RETRIES_OFF, BOUNDED)
REPLACEMENTS: dict[Point, Callable[..., Any]] = {
    _GET_RESPONSE: _get_response,
    _CLOSE_PROVIDER: _close_provider,
    _RETRY_DELAY: _retry_delay,
}
IN_STEPS: dict[Point, Callable[..., Any]] = {_CLIENT: _client}
