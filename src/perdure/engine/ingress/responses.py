"""An invocation's result as an HTTP answer."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import Response

from perdure.engine.core.model import Result, Success
from perdure.engine.ingress.errors import error_response
from perdure.protocol.discovery import HandlerManifest

ID_HEADER = "x-restate-id"
EXPIRES_HEADER = "idempotency-expires"


def result_response(
    invocation_id: str, result: Result, handler: HandlerManifest | None, expires_at_ms: int | None = None
) -> Response:
    """200 with the handler's bytes and content type, or its failure with its own code as the status.

    `expires_at_ms` is known once an invocation has completed: until then, asking again finds this result.
    """
    headers = {ID_HEADER: invocation_id}
    if expires_at_ms is not None:
        moment = datetime.fromtimestamp(expires_at_ms / 1000, UTC)
        headers[EXPIRES_HEADER] = moment.isoformat(timespec="milliseconds")
    if isinstance(result, Success):
        content_type = handler.output_content_type if handler else "application/octet-stream"
        if content_type and result.value:
            headers["content-type"] = content_type
        return Response(result.value, 200, headers)
    # The code is user code's: what is not an HTTP error status still has to travel as one.
    status = result.code if 400 <= result.code <= 599 else 500
    return error_response(status, result.message, "invocation", headers, dict(result.metadata))
