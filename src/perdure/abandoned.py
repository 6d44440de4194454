"""Work for an HTTP client that ends when the client has left: servers go on, and hear of it only who asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import Request

from perdure.errors import RequestError

T = TypeVar("T")

_LOOK_EVERY_S = 0.5
_CLIENT_CLOSED_REQUEST = 499


async def unless_abandoned(request: Request, work: Awaitable[T]) -> T:
    """What `work` comes to; it is cancelled once the client has left. A body that the request has must have
    been read.

    Raises RequestError(499), which nobody hears, when the client has left.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK_EVERY_S))[0]:
            if await request.is_disconnected():
                raise RequestError(_CLIENT_CLOSED_REQUEST, "the client has left")
        return task.result()
    finally:
        task.cancel()
