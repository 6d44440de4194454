"""An invocation's result as an HTTP answer."""

from __future__ import annotations

from starlette.responses import Response

from perdure.engine.core.model import Result, Success
from perdure.engine.json_errors import error_response
from perdure.protocol.discovery import HandlerManifest

ID_HEADER = "x-restate-id"


def result_response(invocation_id: str, result: Result, handler: HandlerManifest | None) -> Response:
    """200 with the handler's bytes and content type, or its failure with its own code as the status."""
    headers = {ID_HEADER: invocation_id}
    if isinstance(result, Success):
        content_type = handler.output_content_type if handler else "application/octet-stream"
        if content_type and result.value:
            headers["content-type"] = content_type
        return Response(result.value, 200, headers)
    # The code is user code's: what is not an HTTP error status still has to travel as one.
    status = result.code if 400 <= result.code <= 599 else 500
    return error_response(status, result.message, headers)
