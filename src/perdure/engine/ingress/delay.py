"""The `delay` of a send: `10s`, `1h30m`, `500ms`, or ISO 8601 (`PT10S`)."""

from __future__ import annotations

import re
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

from perdure.errors import RequestError

_ISO = TypeAdapter(timedelta)
_UNITS_MS = {"ms": 1, "s": 1000, "sec": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"(\d+)\s*(ms|sec|s|min|m|h|d)\s*")
DELAY_MS_MAX = 100 * 365 * 86_400_000


def parse_delay_ms(text: str) -> int:
    """Milliseconds. Raises RequestError(400) for anything else, or for more than a hundred years."""
    delay_ms = _iso_ms(text) if text.startswith("P") else _friendly_ms(text)
    if delay_ms is None or not 0 <= delay_ms <= DELAY_MS_MAX:
        raise RequestError(400, f"bad delay '{text}': write a duration like 10s, 1h30m, 500ms or PT10S")
    return delay_ms


def _iso_ms(text: str) -> int | None:
    try:
        return int(_ISO.validate_python(text).total_seconds() * 1000)
    except ValidationError:
        return None


def _friendly_ms(text: str) -> int | None:
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text):
        return None
    return sum(int(number) * _UNITS_MS[unit] for number, unit in parts)
