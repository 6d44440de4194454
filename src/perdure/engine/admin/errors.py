"""Errors as the admin API tells them."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.errors import EngineError, RequestError


def error_response(status: int, message: str, restate_code: str | None = None) -> Response:
    """`{"code": status, "message": message, "restate_code": "META..."}`, the last where Restate has one."""
    body = {"code": status, "message": message, "restate_code": restate_code}
    return JSONResponse({key: value for key, value in body.items() if value is not None}, status)


async def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error_response(error.status, error.message, error.restate_code)


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
