"""Where handlers in other processes publish: `POST /restate/streams/{invocation id}/{attempt}`.

The attempt was told of this address, and of its token, by a header (`perdure.streams.sink`). 204: the events
are on disk. 409 with `count`: those before them never came. 410: the attempt is over.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.engine.ingress.errors import SOURCE_HEADER
from perdure.engine.ingress.target_path import segments
from perdure.engine.request_body import read_body
from perdure.engine.runtime.engine import Engine
from perdure.errors import RequestError
from perdure.protocol.ids import decode_invocation_id
from perdure.streams.append import Batch, Gap
from perdure.streams.events import ATTEMPT, DEFAULT_NAME, END, NewEvent
from perdure.streams.sink import AttemptOver

_Natural = Annotated[int, Field(ge=0, lt=2**63)]


class _Event(BaseModel):
    type: str
    payload: str


class _Publication(BaseModel):
    stream: Annotated[str, Field(min_length=1, max_length=255)] = DEFAULT_NAME
    source: Annotated[str, Field(min_length=1, max_length=255)]
    attempt: list[_Natural]
    offset: _Natural
    events: list[_Event]


class PublishRoutes:
    """The handler of the route."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def publish(self, request: Request) -> Response:
        """Add events to a stream of the attempt's invocation.

        Raises RequestError: 400 for a body that makes no sense, 401 for another token than the attempt's, 404
        for an unknown invocation, 410 when the attempt is over, 413, 503 when the disk refuses writes.
        """
        _, _, invocation_id, attempt = segments(request)
        decode_invocation_id(invocation_id)
        if not (attempt.isascii() and attempt.isdigit()):
            raise RequestError(400, f"bad path: '{attempt}' is not the number of an attempt")
        self._engine.requests.output(invocation_id)  # 404 for one that is unknown
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise RequestError(401, "no bearer token: send the one that the attempt was given")
        sink = self._engine.publishing.sink(invocation_id, int(attempt), token)
        stream, batch = _decode(await read_body(request, self._engine.options.request_bytes_max))
        try:
            await sink.append(stream, batch)
        except Gap as gap:
            body = {"code": 409, "message": str(gap), "source": "ingress", "count": gap.count}
            return JSONResponse(body, 409, {SOURCE_HEADER: "ingress"})
        except AttemptOver as over:
            raise RequestError(410, str(over)) from None
        except ConnectionError as refused:
            raise RequestError(503, str(refused)) from None
        return Response(status_code=204)


def _decode(body: bytes) -> tuple[str, Batch]:
    try:
        said = _Publication.model_validate_json(body)
        events = tuple(map(_event, said.events))
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
        raise RequestError(400, f"bad body: {'; '.join(problems)}") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"bad body: {error}") from None
    return said.stream, Batch(said.source, tuple(said.attempt), said.offset, events)


def _event(said: _Event) -> NewEvent:
    if said.type in (ATTEMPT, END):
        raise ValueError(f"events of type {said.type!r} are the stream's own")
    return NewEvent.of(said.type, _object(said.payload))


def _object(payload: str) -> dict[str, Any]:
    value = json.loads(payload)
    if not isinstance(value, dict):
        raise ValueError("a payload is not a JSON object")
    return value
