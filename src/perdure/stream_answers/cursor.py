"""Where a reader begins: `Last-Event-ID` or `?from=N`."""

from __future__ import annotations

from starlette.requests import Request

from perdure.errors import RequestError
from perdure.streams.events import DEFAULT_NAME


def stream_name(request: Request) -> str:
    """The stream that a request asks for."""
    return request.query_params.get("stream", DEFAULT_NAME)


def first_index(request: Request, count: int) -> int:
    """The first index to read, of a stream that has `count` events now.

    `Last-Event-ID` wins over `from`: an EventSource that comes back sends it, to the URL of its first time.
    Raises RequestError(400) for what is no number.
    """
    last = request.headers.get("last-event-id")
    if last:
        return _number(last, "Last-Event-ID", minimum=0) + 1
    start = _number(request.query_params.get("from", "0"), "from")
    return max(0, count + start) if start < 0 else start


def _number(text: str, name: str, minimum: int | None = None) -> int:
    try:
        number = int(text)
        if minimum is not None and number < minimum:
            raise ValueError(text)
    except ValueError:
        what = "the index of an event" if minimum is not None else "an index, or -N for the last N events"
        raise RequestError(400, f"{name} {text!r} is not {what}") from None
    return number
