"""`ctx.run` and `ctx.run_typed` by the rules of `step()`."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, TypeVar

from restate.context import RunOptions
from restate.exceptions import TerminalError
from restate.serde import DefaultSerde

from perdure.durable.step import Codec, RetryPolicy, Try, serde_codec, tries

if TYPE_CHECKING:
    from perdure.durable.context import DurableContext
    from perdure.durable.driver import Driver

T = TypeVar("T")

# The server's own default is to retry a run for as long as the invocation may be retried. Each of our tries
# is two journal entries, so there must be an end; with the default delays this one comes after about three
# minutes.
_ATTEMPTS_MAX = 24


def run_step(
    driver: Driver,
    context: DurableContext,
    name: str,
    action: Any,
    options: RunOptions[T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> asyncio.Task[T]:
    """Issue the first try now, as `ctx.run` does, and leave the rest to a task.

    As with the SDK's own run, every error but a TerminalError is tried again, and the last one becomes a
    TerminalError.
    """
    codec: Codec[T] = Codec() if isinstance(options.serde, DefaultSerde) else serde_codec(options.serde)
    retry = _policy(options)
    action = functools.partial(action, *args, **kwargs)
    key = context.idempotency_key(name)
    first = Try(context, name, action, (), retry, codec, attempt=1, key=key)
    return driver.loop.create_task(
        _settled(tries(context, name, action, (), retry, codec, first)), name=f"run {name}"
    )


async def _settled(attempts: Any) -> Any:
    try:
        return await attempts
    except TerminalError:
        raise
    except Exception as error:
        raise TerminalError(str(error), 500) from error


def _policy(options: RunOptions[Any]) -> RetryPolicy:
    initial, longest = options.initial_retry_interval, options.max_retry_interval
    return RetryPolicy(
        attempts_max=options.max_attempts or _ATTEMPTS_MAX,
        initial_delay_ms=round(initial.total_seconds() * 1000) if initial else 50,
        factor=options.retry_interval_factor or 2.0,
        delay_ms_max=round(longest.total_seconds() * 1000) if longest else 10_000,
        retryable=lambda _error: True,
    )
