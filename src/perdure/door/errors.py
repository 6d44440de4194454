"""Errors as OpenAI's clients expect them."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from perdure.door.answer import Failed
from perdure.errors import OpenAIRequestError, RequestError

AGENT_FAILED = "agent_failed"


def request_error(error: RequestError) -> Response:
    """What the request is refused with."""
    code, param = (error.code, error.param) if isinstance(error, OpenAIRequestError) else (None, None)
    return JSONResponse(error_body(error.status, error.message, code, param), error.status)


def failure_response(failed: Failed, headers: dict[str, str]) -> Response:
    """The agent's failure, under the code that it chose.

    OpenAI's clients send a request anew after a 409, 429 or 5xx. But this outcome is final, and a new request
    would be a new run, so they are told not to.
    """
    status = failed.code if 400 <= failed.code <= 599 else 500
    return JSONResponse(
        error_body(status, failed.message, AGENT_FAILED), status, {**headers, "x-should-retry": "false"}
    )


def error_body(status: int, message: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    """The JSON of an error."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
