"""Events of a stream, as they are published and as they are read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

DEFAULT_NAME = "default"
"""The stream that is meant where no name is given, and into which streamed agent runs publish."""

RUN = "run"
"""The source of what the run itself publishes."""

ATTEMPT = "attempt"
"""`{"source": s, "from": i}`: what source `s` published at index `i` and later, up to here, is superseded."""

END = "end"
"""The last event of the default stream. `{"status": "succeeded", "output": ...}`, or
`{"status": "failed", "code": ..., "message": ...}`.
"""

TEXT = "text"
"""`{"delta": ..., "item": ...}`: a model goes on speaking."""

PAYLOAD_BYTES_MAX = 256 * 1024


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event on its way into a stream. `payload` is a JSON object."""

    type: str
    payload: str

    @classmethod
    def of(cls, kind: str, data: dict[str, Any]) -> NewEvent:
        """Raises ValueError: data that is no JSON or too long, a type that is not one word."""
        if not kind or not all(c.isalnum() or c in "._-" for c in kind):
            raise ValueError(f"{kind!r} is no event type: letters, digits, '.', '_' and '-'")
        try:
            payload = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the data of a {kind!r} event is not JSON: {error}") from error
        if len(payload.encode()) > PAYLOAD_BYTES_MAX:
            raise ValueError(f"a {kind!r} event of more than {PAYLOAD_BYTES_MAX} bytes; publish it in parts")
        return cls(kind, payload)


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event of a stream. `payload` is a JSON object, `published_at_ms` is since the epoch."""

    index: int
    type: str
    payload: str
    source: str
    published_at_ms: int

    @property
    def data(self) -> dict[str, Any]:
        """The payload, read."""
        told: dict[str, Any] = json.loads(self.payload)
        return told
