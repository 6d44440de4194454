"""What a page is about is not there, or not any more: the page says so, and leads on.

A page that is open learns it from the sections that it follows: they are answered with the same page, and
static/live.js shows what it says in `data-gone` above what was there.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from perdure.errors import RequestError
from perdure.ui.pages import page

T = TypeVar("T")


class NoSuchInvocation(Exception):
    """`args` are its id."""


async def of_kept(invocation_id: str, found: Awaitable[T]) -> T:
    """What was found of an invocation. Raises NoSuchInvocation where the engine knows of none."""
    try:
        return await found
    except RequestError as error:
        if error.status == 404:
            raise NoSuchInvocation(invocation_id) from error
        raise


async def no_such_invocation(request: Request, error: Exception) -> Response:
    """The page that says it."""
    return page(request, "no_such_invocation.html", status=404, id=error.args[0])
