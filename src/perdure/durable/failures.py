"""Errors of steps as JSON, and back.

An error is rebuilt the way `copy` does it: without calling `__init__`, from its class, its `args` and its
attributes. If any of the three would not survive, the error comes back as `StepFailed`, live and on replay
alike.
"""

from __future__ import annotations

import asyncio
import builtins
import copy
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypedDict

from perdure.durable import values
from perdure.errors import StepFailed


class Failure(TypedDict, total=False):
    """A try that failed, as it stands in the journal."""

    type: str  # module:qualified.name
    message: str
    args: values.Json
    args_types: dict[str, str]
    state: values.Json
    state_types: dict[str, str]
    status: int  # of HTTP
    headers: dict[str, str]  # of the HTTP response, only those of `KEPT_HEADERS`
    retry_in_ms: int  # only if there is to be another try


# Of the headers of a failed response, those that say what to do about it. The others may hold secrets.
KEPT_HEADERS = ("retry-after", "retry-after-ms", "x-should-retry", "x-request-id", "content-type")


def to_json(error: BaseException) -> Failure:
    """What the journal keeps of an error. Never raises: what does not fit is left out."""
    cls = type(error)
    failure = Failure(type=f"{cls.__module__}:{cls.__qualname__}", message=text_of(error))
    if (status := status_of(error)) is not None:
        failure["status"] = status
    if headers := kept_headers(error):
        failure["headers"] = headers
    try:
        values.importable_name(cls)
        args, args_types = values.to_json(list(error.args))
        state, state_types = values.to_json(dict(vars(error)))
        values.from_json(copy.deepcopy(args), args_types)  # it fills in what it is given
        values.from_json(copy.deepcopy(state), state_types)
    except Exception:
        return failure
    fields = Failure(args=args, args_types=args_types, state=state, state_types=state_types)
    return {**failure, **fields}


def text_of(error: BaseException) -> str:
    """What an error says of itself; its class, if it cannot even do that."""
    try:
        return str(error)
    except Exception:
        return type(error).__qualname__


def from_json(step: str, failure: Failure) -> BaseException:
    """The error (CancelledError, if the step gave up by itself), or `StepFailed` in its place."""
    if "args" in failure:
        try:
            return _rebuilt(failure)
        except Exception:  # the class changed since; its name and message are still worth telling
            pass
    return StepFailed(
        step, failure["type"], failure["message"], failure.get("status"), failure.get("headers")
    )


def _rebuilt(failure: Failure) -> BaseException:
    cls = values.imported(failure["type"])
    args = values.from_json(failure["args"], failure.get("args_types", {}))
    if cls.__module__ == builtins.__name__:
        error = cls(*args)  # theirs is C state that only the constructor sets
    else:
        error = cls.__new__(cls, *args)
        error.args = tuple(args)
    vars(error).update(values.from_json(failure["state"], failure.get("state_types", {})))
    if not isinstance(error, Exception | asyncio.CancelledError):
        raise TypeError(failure["type"])
    return error


# ---- what is worth another try

_TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})
# By name, along the class hierarchy, so that no HTTP library needs to be imported to know its errors.
_TRANSIENT_CLASSES = frozenset(
    {
        "ConnectionError",  # builtins, requests
        "TimeoutError",  # builtins, asyncio
        "Timeout",  # requests
        "gaierror",
        "TransportError",  # httpx, httpx2
        "APIConnectionError",  # openai, anthropic
        "ClientConnectionError",  # aiohttp
        "ServerTimeoutError",
        "ConnectionClosed",  # websockets
    }
)


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later: a network error, a time-out, 408, 409, 425, 429, 5xx. If the
    other side says itself whether to try again, in an `x-should-retry` header, that holds.
    """
    said = kept_headers(error).get("x-should-retry")
    if said in ("true", "false"):
        return said == "true"
    status = status_of(error)
    if status is not None:
        return status in _TRANSIENT_STATUSES or status >= 500
    return any(c.__name__ in _TRANSIENT_CLASSES for link in _causes(error) for c in type(link).__mro__)


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error of any HTTP library carries, or the error that it was raised from."""
    for link in _causes(error):
        for holder in (link, getattr(link, "response", None)):
            for name in ("status_code", "status", "code"):
                status = getattr(holder, name, None)
                if isinstance(status, int) and not isinstance(status, bool) and 100 <= status < 600:
                    return status
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it was explicitly raised from."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def retry_after_ms(error: BaseException) -> int | None:
    """How long the other side asked us to wait: `retry_after` (seconds, date or timedelta) or a Retry-After
    header.
    """
    asked: Any = getattr(error, "retry_after", None)
    if hasattr(asked, "total_seconds"):
        asked = asked.total_seconds()
    if isinstance(asked, (int, float, str)) and (delay_ms := _delay_ms(asked, 1000)) is not None:
        return delay_ms
    headers = _headers_of(error)
    for name, unit_ms in (("retry-after-ms", 1), ("retry-after", 1000)):
        if (value := headers.get(name)) is not None and (delay_ms := _delay_ms(value, unit_ms)) is not None:
            return delay_ms
    return None


def kept_headers(error: BaseException) -> dict[str, str]:
    """Of the headers of an error's HTTP response, those of `KEPT_HEADERS`.

    A Retry-After that is a date becomes a number of seconds: who reads it again in a replay must find the
    same.
    """
    headers = _headers_of(error)
    kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
    if "retry-after" in kept and (delay_ms := _delay_ms(kept["retry-after"], 1000)) is not None:
        kept["retry-after"] = f"{delay_ms / 1000:g}"
    return kept


def _headers_of(error: BaseException) -> dict[str, str]:
    """The headers that an error of any HTTP library carries, or one of its causes, in lower case."""
    for link in _causes(error):
        for holder in (link, getattr(link, "response", None)):
            for name in ("headers", "response_headers", "litellm_response_headers"):
                items = getattr(getattr(holder, name, None), "items", None)
                pairs = items() if callable(items) else ()
                if found := {str(k).lower(): v for k, v in pairs if isinstance(v, str)}:
                    return found
    return {}


def _delay_ms(value: str | float, unit_ms: int) -> int | None:
    """A number, or an HTTP date, from now on."""
    try:
        delay_ms = float(value) * unit_ms
    except ValueError:
        try:
            delay_ms = (parsedate_to_datetime(str(value)) - datetime.now(UTC)).total_seconds() * 1000
        except (TypeError, ValueError):
            return None
    return max(0, round(delay_ms)) if math.isfinite(delay_ms) else None
