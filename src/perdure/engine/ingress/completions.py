"""Resolve or reject, from outside, what a handler waits for: awakeables, named signals, durable promises.

restate-server's ingress has the awakeables alone; the other two are ours (docs/decisions/0054), in the same
form: the body of `resolve` is the value, as bytes, and the body of `reject` is the reason, as text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.core.model import Failure, Result, Success
from perdure.engine.ingress.target_path import segments
from perdure.engine.request_body import read_body
from perdure.engine.runtime.engine import Engine
from perdure.errors import RequestError
from perdure.protocol.ids import decode_awakeable_id, decode_invocation_id

REJECTION_CODE = 500

Complete = Callable[[list[str], Result], Awaitable[None]]


class CompletionRoutes:
    """Each answers 202 once the completion is on disk. The last segment of the path is the verb."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def awakeable(self, request: Request) -> Response:
        """`/restate/awakeables/{id}/…`. The first answer stands; a late one, or one for an invocation that is
        gone, gets a 202 too: a callback may come late, and is not to blame."""

        async def complete(path: list[str], result: Result) -> None:
            invocation_id, index = decode_awakeable_id(path[2])
            try:
                await self._engine.requests.signal(invocation_id, index, result)
            except RequestError as refused:
                if refused.status != 404:
                    raise

        return await self._completed(request, complete)

    async def signal(self, request: Request) -> Response:
        """`/restate/signals/{invocation id}/{name}/…`. Raises RequestError(404) for an unknown invocation."""

        async def complete(path: list[str], result: Result) -> None:
            decode_invocation_id(path[2])
            await self._engine.requests.signal(path[2], path[3], result)

        return await self._completed(request, complete)

    async def promise(self, request: Request) -> Response:
        """`/restate/promises/{workflow}/{key}/{name}/…`, before, while or after the workflow runs.

        Raises RequestError: 404 for what is no workflow, 409 when the promise has its result already.
        """

        async def complete(path: list[str], result: Result) -> None:
            _, _, workflow, key, name, _ = path
            if self._engine.store.service_kind(workflow) != "WORKFLOW":
                raise RequestError(404, f"workflow '{workflow}' not found")
            await self._engine.requests.complete_promise(workflow, key, name, result)

        return await self._completed(request, complete)

    async def _completed(self, request: Request, complete: Complete) -> Response:
        path = segments(request)
        body = await read_body(request, self._engine.options.request_bytes_max)
        resolved = path[-1] == "resolve"
        failure = Failure(REJECTION_CODE, body.decode(errors="replace"))
        await complete(path, Success(body) if resolved else failure)
        return Response(status_code=202)
