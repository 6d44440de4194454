"""List and describe invocations."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.engine.admin.invocation_view import invocation_view
from perdure.engine.admin.journal_view import journal_view
from perdure.engine.core.model import Status
from perdure.engine.runtime.engine import Engine
from perdure.errors import RequestError
from perdure.protocol.ids import decode_invocation_id

LIMIT_DEFAULT = 100
LIMIT_MAX = 10_000


class InvocationRoutes:
    """Handlers of `/invocations…`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list(self, request: Request) -> Response:
        """The newest first; `?status=`, `?service=`, `?limit=`."""
        status = request.query_params.get("status")
        if status is not None and status not in tuple(Status):
            raise RequestError(400, f"no status '{status}'; there are: {', '.join(Status)}")
        found = self._engine.store.invocations.newest(
            _limit(request.query_params.get("limit")), status, request.query_params.get("service")
        )
        return JSONResponse({"invocations": [invocation_view(i, self._engine.store) for i in found]})

    async def describe(self, request: Request) -> Response:
        """One, with its journal."""
        invocation_id = _id(request)
        invocation = self._engine.store.invocation(invocation_id)
        if invocation is None:
            raise RequestError(404, f"invocation '{invocation_id}' not found")
        view = invocation_view(invocation, self._engine.store)
        return JSONResponse(view | {"journal": journal_view(self._engine.store.journal(invocation_id))})


def _id(request: Request) -> str:
    invocation_id = str(request.path_params["id"])
    decode_invocation_id(invocation_id)
    return invocation_id


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT_DEFAULT
    if not text.isdigit() or not 1 <= int(text) <= LIMIT_MAX:
        raise RequestError(400, f"bad limit '{text}': a number from 1 to {LIMIT_MAX}")
    return int(text)
