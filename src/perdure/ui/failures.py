"""Pages for what went wrong: the engine is away, it refused, or there is no such page."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from perdure.errors import EngineUnreachable, RequestError
from perdure.ui.gone import NoSuchInvocation, no_such_invocation
from perdure.ui.pages import page

UNREACHABLE = 503


async def _engine_unreachable(request: Request, error: Exception) -> Response:
    return page(request, "unreachable.html", status=UNREACHABLE, message=str(error))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return page(request, "failure.html", status=error.status, message=error.message)


async def _no_such_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return page(request, "failure.html", status=error.status_code, message=error.detail)


FAILURE_PAGES: dict[object, ExceptionHandler] = {
    EngineUnreachable: _engine_unreachable,
    NoSuchInvocation: no_such_invocation,
    RequestError: _refused,
    HTTPException: _no_such_page,
}
