"""Which invocations a request asks for: the query of `GET /invocations` and `GET /invocations/count`."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request

from perdure.engine.core.model import Invocation
from perdure.engine.storage.invocation_list import STATES, Position, Wanted
from perdure.errors import RequestError
from perdure.protocol.ids import decode_invocation_id

LIMIT_DEFAULT = 100
LIMIT_MAX = 10_000
TEXT_CHARS_MAX = 1_000
VALUE_BYTES = (16_384, 1024, 64 * 1024 * 1024)
"""How much of a value is told: (default, least, most)."""

_COMPLETED = ("succeeded", "failed")


def wanted_of(request: Request) -> Wanted:
    """Raises RequestError(400) for what is no filter."""
    query = request.query_params
    text = query.get("text")
    if text is not None and len(text) > TEXT_CHARS_MAX:
        raise RequestError(400, f"a text of {len(text)} characters: {TEXT_CHARS_MAX} at most")
    return Wanted(
        states=_states(query.get("status")),
        service=query.get("service"),
        handler=query.get("handler"),
        key=query.get("key"),
        text=text,
        created_from_ms=_time_ms(query.get("created_after"), "created_after"),
        created_before_ms=_time_ms(query.get("created_before"), "created_before"),
        after=_position(query.get("cursor")),
    )


def cursor_of(last: Invocation) -> str:
    """Of the page behind the one that ends with `last`."""
    return f"{last.created_at_ms}-{last.id}"


def limit_of(request: Request) -> int:
    return number_of(request, "limit", LIMIT_DEFAULT, 1, LIMIT_MAX)


def number_of(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A parameter that is a whole number. Raises RequestError(400)."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or not least <= int(text[:20]) <= most:
        raise RequestError(400, f"bad {name} '{text}': a number from {least} to {most}")
    return int(text)


def _states(text: str | None) -> frozenset[str] | None:
    """Of `running,failed`; `completed` is both ways to end."""
    if text is None:
        return None
    asked = [each for part in text.split(",") for each in (_COMPLETED if part == "completed" else (part,))]
    for unknown in asked:
        if unknown not in STATES:
            raise RequestError(400, f"no status '{unknown}'; there are: {', '.join(STATES)}, completed")
    return frozenset(asked)


def _time_ms(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise RequestError(
            400, f"bad {name} '{text}': a time in ISO 8601, 2026-11-23T07:00:00Z say"
        ) from None


def _position(cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    at_ms, _, invocation_id = cursor.partition("-")
    try:
        decode_invocation_id(invocation_id)
        if at_ms.isascii() and at_ms.isdigit() and len(at_ms) < 19:
            return Position(int(at_ms), invocation_id)
    except RequestError:
        pass
    raise RequestError(400, f"bad cursor '{cursor}': take the `next` of the page before")
