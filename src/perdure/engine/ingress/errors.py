"""Errors as the ingress tells them: `{"code", "message", "source"}`, as restate-server's clients expect, and
`metadata` where the handler gave some.

`source` says who failed: `ingress` (nothing ran, or the engine could not answer) or `invocation` (this is the
outcome that the handler chose, for good). The header `x-restate-error-source` says the same.
"""

from __future__ import annotations

from typing import Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.errors import EngineError, RequestError

SOURCE_HEADER = "x-restate-error-source"
Source = Literal["ingress", "invocation"]


def error_response(
    status: int,
    message: str,
    source: Source = "ingress",
    headers: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Response:
    """An error whose code is its HTTP status."""
    body: dict[str, object] = {"code": status, "message": message, "source": source}
    if metadata:
        body["metadata"] = metadata
    return JSONResponse(body, status, {**(headers or {}), SOURCE_HEADER: source})


async def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error_response(error.status, error.message)


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(error.status_code, error.detail.lower())


async def _engine_error(request: Request, error: Exception) -> Response:
    return error_response(503, str(error))


EXCEPTION_HANDLERS = {
    RequestError: _request_error,
    HTTPException: _http_exception,
    EngineError: _engine_error,
}
