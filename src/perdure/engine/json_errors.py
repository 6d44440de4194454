"""Errors as JSON, the same on both doors."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.errors import EngineError, RequestError


def error_response(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """`{"code": status, "message": message}`, as restate-server answers."""
    return JSONResponse({"code": status, "message": message}, status, headers)


async def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error_response(error.status, error.message)


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(error.status_code, error.detail)


async def _engine_error(request: Request, error: Exception) -> Response:
    return error_response(503, str(error))


EXCEPTION_HANDLERS = {
    RequestError: _request_error,
    HTTPException: _http_exception,
    EngineError: _engine_error,
}
