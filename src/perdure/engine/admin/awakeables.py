"""`GET /awakeables`: what waits for an answer from outside, as far as the result of a step tells of it."""

from __future__ import annotations

import base64
import sqlite3

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.admin.invocation_filter import VALUE_BYTES, limit_of, number_of
from perdure.engine.admin.reads import Json, Reads
from perdure.engine.storage.awakeable_list import (
    FIRST_CLOSED,
    FIRST_OPEN,
    Place,
    Told,
    closed_ones,
    of,
    open_ones,
)
from perdure.engine.times import iso
from perdure.errors import RequestError
from perdure.protocol.ids import decode_awakeable_id, encode_awakeable_id
from perdure.protocol.steps import Line


class AwakeableRoutes:
    """Handlers of `GET /awakeables…`."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def list(self, request: Request) -> Response:
        """Those that wait, the longest first; or, `?open=false`, those that do no longer, the last first."""
        is_open, limit = _is_open(request), limit_of(request)
        bytes_max = number_of(request, "value_bytes_max", *VALUE_BYTES)
        name = request.query_params.get("name", "")
        after = _place(request.query_params.get("cursor")) or (FIRST_OPEN if is_open else FIRST_CLOSED)
        page = open_ones if is_open else closed_ones

        def read(file: sqlite3.Connection) -> Json:
            found = page(file, name, after, limit + 1, bytes_max)
            following = _cursor(found[limit - 1].place) if len(found) > limit else None
            return {"awakeables": [_view(each) for each in found[:limit]], "next": following}

        return await self._reads.answer(read)

    async def describe(self, request: Request) -> Response:
        """All that was told of one; nothing of what nobody was told of, or is not kept."""
        bytes_max = number_of(request, "value_bytes_max", *VALUE_BYTES)
        whose = decode_awakeable_id(request.path_params["id"])
        return await self._reads.answer(
            lambda file: {"awakeables": [_view(each) for each in of(file, *whose, bytes_max)]}
        )


def _view(told: Told) -> Json:
    """Absent fields are omitted. Values are bytes of users: they are told in base64."""
    place = told.place
    view: Json = {
        "id": encode_awakeable_id(place.invocation_id, place.signal),
        "invocation_id": place.invocation_id,
        "target": str(told.target),
        "name": told.name,
        "entry_index": place.position,
        "told_at": iso(told.told.appended_at_ms),
        **_value("value", told.told),
        "closed_at": iso(told.closed_at_ms),
    }
    if told.answer is not None:
        view |= {"answered_at": iso(told.answer.appended_at_ms), **_value("answer", told.answer)}
        if told.answer.message.WhichOneof("result") == "failure":
            failure = told.answer.message.failure
            view["rejection"] = {"code": failure.code, "message": failure.message}
    return {name: value for name, value in view.items() if value is not None}


def _value(name: str, line: Line) -> Json:
    content = line.message.value.content
    whole_bytes = line.whole_bytes.get("Value.content", len(content))
    return {name: base64.b64encode(content).decode(), f"{name}_bytes": whole_bytes}


def _is_open(request: Request) -> bool:
    text = request.query_params.get("open", "true")
    if text not in ("true", "false"):
        raise RequestError(400, f"bad open '{text}': true or false")
    return text == "true"


def _cursor(place: Place) -> str:
    return f"{place.at_ms}-{place.position}-{encode_awakeable_id(place.invocation_id, place.signal)}"


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    at_ms, _, rest = cursor.partition("-")
    position, _, awakeable_id = rest.partition("-")
    try:
        if all(text.isascii() and text.isdigit() and len(text) < 19 for text in (at_ms, position)):
            return Place(int(at_ms), *decode_awakeable_id(awakeable_id), int(position))
    except RequestError:
        pass
    raise RequestError(400, f"bad cursor '{cursor}': take the `next` of the page before")
