"""Resolve or reject an awakeable from outside."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.core.model import Failure, Result, Success
from perdure.engine.ingress.body import read_body
from perdure.engine.ingress.target_path import segments
from perdure.engine.runtime.engine import Engine
from perdure.errors import RequestError
from perdure.protocol.ids import decode_awakeable_id

REJECTION_CODE = 500


class AwakeableRoutes:
    """Handlers of `/restate/awakeables/{id}/resolve` and `/reject`. The first answer stands.

    They answer 202 as well where the invocation is gone: a callback may come late, and is not to blame.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def resolve(self, request: Request) -> Response:
        """The body is the value, as bytes."""
        return await self._complete(request, Success(await self._body(request)))

    async def reject(self, request: Request) -> Response:
        """The body is the reason, as text."""
        reason = (await self._body(request)).decode(errors="replace")
        return await self._complete(request, Failure(REJECTION_CODE, reason))

    async def _complete(self, request: Request, result: Result) -> Response:
        invocation_id, index = decode_awakeable_id(segments(request)[2])
        try:
            await self._engine.requests.signal(invocation_id, index, result)
        except RequestError as refused:
            if refused.status != 404:
                raise
        return Response(status_code=202)

    async def _body(self, request: Request) -> bytes:
        return await read_body(request, self._engine.options.request_bytes_max)
