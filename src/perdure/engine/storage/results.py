"""Results as two columns: a value, or a failure as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from perdure.engine.core.model import Failure, Result, Success


def encode_result(result: Result | None) -> tuple[bytes | None, str | None]:
    """(value, failure): one of them, or neither when there is no result."""
    match result:
        case Success(value):
            return value, None
        case Failure():
            return None, json.dumps(asdict(result))
        case None:
            return None, None


def decode_result(value: bytes | None, failure: str | None) -> Result | None:
    """The reverse of `encode_result`."""
    if failure is not None:
        parts = json.loads(failure)
        metadata = tuple((key, text) for key, text in parts["metadata"])
        return Failure(parts["code"], parts["message"], metadata)
    return None if value is None else Success(value)
