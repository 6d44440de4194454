"""Errors of steps as JSON, and back.

An error is rebuilt the way `copy` does it: without calling `__init__`, from its class, its `args` and its
attributes. If any of the three would not survive, the error comes back as `StepFailed`, live and on replay
alike.
"""

from __future__ import annotations

import builtins
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
    retry_in_ms: int  # only if there is to be another try


def to_json(error: BaseException) -> Failure:
    """What the journal keeps of an error. Never raises: what does not fit is left out."""
    cls = type(error)
    failure = Failure(type=f"{cls.__module__}:{cls.__qualname__}", message=str(error))
    try:
        values.importable_name(cls)
        args, args_types = values.to_json(list(error.args))
        state, state_types = values.to_json(dict(vars(error)))
        values.from_json(args, args_types)
        values.from_json(state, state_types)
    except Exception:
        return failure
    fields = Failure(args=args, args_types=args_types, state=state, state_types=state_types)
    return {**failure, **fields}


def from_json(step: str, failure: Failure) -> Exception:
    """The error, or `StepFailed` in its place."""
    if "args" in failure:
        try:
            return _rebuilt(failure)
        except Exception:  # the class changed since; its name and message are still worth telling
            pass
    return StepFailed(step, failure["type"], failure["message"])


def _rebuilt(failure: Failure) -> Exception:
    cls = values.imported(failure["type"])
    args = values.from_json(failure["args"], failure.get("args_types", {}))
    if cls.__module__ == builtins.__name__:
        error = cls(*args)  # theirs is C state that only the constructor sets
    else:
        error = cls.__new__(cls, *args)
        error.args = tuple(args)
    vars(error).update(values.from_json(failure["state"], failure.get("state_types", {})))
    if not isinstance(error, Exception):
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
    }
)


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later: a network error, a time-out, 408, 409, 425, 429, 5xx."""
    status = status_of(error)
    if status is not None:
        return status in _TRANSIENT_STATUSES or status >= 500
    return any(cls.__name__ in _TRANSIENT_CLASSES for cls in type(error).__mro__)


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error of any HTTP library carries."""
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status", "code"):
            status = getattr(holder, name, None)
            if isinstance(status, int) and not isinstance(status, bool) and 100 <= status < 600:
                return status
    return None


def retry_after_ms(error: BaseException) -> int | None:
    """How long the other side asked us to wait: `retry_after` (seconds or timedelta) or a Retry-After
    header.
    """
    asked: Any = getattr(error, "retry_after", None)
    if hasattr(asked, "total_seconds"):
        asked = asked.total_seconds()
    if isinstance(asked, (int, float)) and not isinstance(asked, bool):
        return max(0, round(asked * 1000))
    for holder in (error, getattr(error, "response", None)):
        headers = getattr(holder, "headers", None)
        if hasattr(headers, "get"):
            if (value := _header(headers, "retry-after-ms")) is not None and value.strip().isdigit():
                return int(value)
            if (value := _header(headers, "retry-after")) is not None:
                return _delay_ms(value)
    return None


def _header(headers: Any, name: str) -> str | None:
    value = headers.get(name) or headers.get(name.title())
    return value if isinstance(value, str) else None


def _delay_ms(value: str) -> int | None:
    try:
        return max(0, round(float(value) * 1000))
    except ValueError:
        pass
    try:
        return max(0, round((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds() * 1000))
    except (TypeError, ValueError):
        return None
