"""`POST /query`: SQL over the engine's memory."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from perdure.abandoned import unless_abandoned
from perdure.engine.introspection.processes import QueryProcesses
from perdure.engine.request_body import read_body
from perdure.errors import RequestError
from perdure.protocol.page_header import PAGE_HEADER

QUERY_BYTES_MAX = 4 * 1024 * 1024


class _Query(BaseModel):
    query: str


def query_route(queries: QueryProcesses) -> Route:
    """The one route."""

    async def query(request: Request) -> Response:
        """JSON rows for those who accept JSON, an Arrow stream for everybody else."""
        try:
            asked = _Query.model_validate_json(await read_body(request, QUERY_BYTES_MAX))
        except ValidationError:
            raise RequestError(400, 'the body must be JSON: {"query": "SELECT ..."}') from None
        as_json = "application/json" in request.headers.get("accept", "")
        by_person = PAGE_HEADER not in request.headers
        answer = queries.run(asked.query, as_json=as_json, by_person=by_person)
        body = await unless_abandoned(request, answer)
        return Response(
            body, media_type="application/json" if as_json else "application/vnd.apache.arrow.stream"
        )

    return Route("/query", query, methods=["POST"])
