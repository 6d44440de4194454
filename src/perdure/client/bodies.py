"""Values as bodies of requests, and answers as values or errors."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx2
from pydantic_core import to_json

from perdure.errors import InvocationFailed, NotCompleted, PerdureError, RequestError


class _NoBody:
    def __repr__(self) -> str:
        return "NO_BODY"


NO_BODY: Final = _NoBody()
"""Of a handler that takes nothing. None is a value: JSON's null."""

_NOT_COMPLETED = 470


def request_body(body: object) -> tuple[bytes, dict[str, str]]:
    """(content, headers): bytes as they are, models and dataclasses as JSON, as all else.

    Raises ValueError (pydantic's) for what is not JSON.
    """
    if body is NO_BODY:
        return b"", {}
    if isinstance(body, bytes):
        return body, {"content-type": "application/octet-stream"}
    return to_json(body, inf_nan_mode="constants"), {"content-type": "application/json"}


def answer_value(response: httpx2.Response) -> Any:
    """JSON read, None for an empty answer, else its bytes. Raises what `answer_error` returns."""
    if not response.is_success:
        raise answer_error(response)
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not response.content:
        return None
    if content_type == "application/json" or content_type.endswith("+json"):
        return json.loads(response.content)
    return response.content


def answer_error(response: httpx2.Response) -> PerdureError:
    """InvocationFailed for an outcome of the handler, RequestError (NotCompleted) for the ingress's word."""
    try:
        told = json.loads(response.content)
    except ValueError:
        told = None
    if not isinstance(told, dict) or "message" not in told:
        text = response.content.decode(errors="replace").strip()[:200]
        return RequestError(response.status_code, text or response.reason_phrase)
    message = str(told["message"])
    if from_invocation(response):
        return InvocationFailed(int(told.get("code", response.status_code)), message, told.get("metadata"))
    if response.status_code == _NOT_COMPLETED:
        return NotCompleted(_NOT_COMPLETED, message)
    return RequestError(response.status_code, message)


def from_invocation(response: httpx2.Response) -> bool:
    """Whether an error is an outcome that a handler chose, and no trouble on the way to it."""
    return bool(response.headers.get("x-restate-error-source") == "invocation")
