"""JSON bodies of the admin API, checked."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from perdure.engine.request_body import read_body
from perdure.errors import RequestError

BODY_BYTES_MAX = 32 * 1024 * 1024
"""State is written as lists of byte values, four characters each."""

Model = TypeVar("Model", bound=BaseModel)


async def read_json(request: Request, model: type[Model]) -> Model:
    """The body as `model`. Raises RequestError: 400 for what does not fit it, 413 for too much."""
    body = await read_body(request, BODY_BYTES_MAX)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
        raise RequestError(400, f"bad request: {told}") from None
