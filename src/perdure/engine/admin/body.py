"""JSON bodies of the admin API, checked."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from perdure.errors import RequestError

BODY_BYTES_MAX = 32 * 1024 * 1024
"""State is written as lists of byte values, four characters each."""

Model = TypeVar("Model", bound=BaseModel)


async def read_json(request: Request, model: type[Model]) -> Model:
    """The body as `model`. Raises RequestError: 400 for what does not fit it, 413 for too much."""
    parts: list[bytes] = []
    received_bytes = 0
    async for part in request.stream():
        received_bytes += len(part)
        if received_bytes > BODY_BYTES_MAX:
            raise RequestError(413, f"the body is larger than {BODY_BYTES_MAX} bytes")
        parts.append(part)
    try:
        return model.model_validate_json(b"".join(parts))
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
        raise RequestError(400, f"bad request: {told}") from None
