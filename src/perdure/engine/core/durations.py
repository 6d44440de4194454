"""Durations as people write them, `2h` or `1m 30s`, or in ISO 8601, `PT2H`; and back."""

from __future__ import annotations

import re
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

DURATION_MS_MAX = 100 * 365 * 86_400_000
"""A hundred years."""

_ISO = TypeAdapter(timedelta)
_UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_NAMES = {
    "day": "d", "days": "d", "hour": "h", "hours": "h", "hr": "h", "hrs": "h", "min": "m", "mins": "m",
    "minute": "m", "minutes": "m", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "msec": "ms",
    "millis": "ms", "millisecond": "ms", "milliseconds": "ms",
}  # fmt: skip
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


def parse_duration_ms(text: str) -> int:
    """Milliseconds. Raises ValueError for what is no duration, or is longer than a hundred years."""
    duration_ms = _iso_ms(text) if text.startswith("P") else _friendly_ms(text.lower())
    if duration_ms is None or not 0 <= duration_ms <= DURATION_MS_MAX:
        raise ValueError(f"'{text}' is not a duration: write 30s, 2h, 1d, 500ms or PT2H")
    return duration_ms


def format_duration(duration_ms: int) -> str:
    """`1d`, `1m 30s`, `500ms`."""
    parts: list[str] = []
    for unit, unit_ms in _UNITS_MS.items():
        count, duration_ms = divmod(duration_ms, unit_ms)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def _iso_ms(text: str) -> int | None:
    try:
        return round(_ISO.validate_python(text).total_seconds() * 1000)
    except ValidationError:
        return None


def _friendly_ms(text: str) -> int | None:
    total_ms, position = 0.0, 0
    while position < len(text):
        part = _PART.match(text, position)
        unit = part and _NAMES.get(part[2], part[2])
        if part is None or unit not in _UNITS_MS:
            return None
        total_ms += float(part[1]) * _UNITS_MS[unit]
        position = part.end()
    return round(total_ms) if text.strip() else None
