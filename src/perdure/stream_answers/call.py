"""Calls that are answered with a stream."""

from __future__ import annotations

from starlette.requests import Request

from perdure.errors import RequestError
from perdure.stream_answers.answer import check
from perdure.streams.sse import MEDIA_TYPE


def wants_stream(request: Request) -> bool:
    """Does a call ask for a stream as its answer? Raises RequestError(400), before anything runs, when that
    makes no sense."""
    accepted = (part.split(";")[0].strip().lower() for part in request.headers.get("accept", "").split(","))
    if MEDIA_TYPE not in accepted:
        return False
    check(request)
    if "last-event-id" in request.headers and "idempotency-key" not in request.headers:
        # A browser's EventSource would otherwise call anew each time that its connection breaks.
        raise RequestError(
            400,
            "this would call again: read on at /restate/invocation/{id}/stream (the first answer has the "
            "id in x-restate-id), or call with an idempotency-key",
        )
    return True
