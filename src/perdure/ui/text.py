"""How values read: times, durations, sizes, and text from strangers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlencode

from perdure.inspection import money
from perdure.inspection.invocation_filter import COUNT_MAX
from perdure.ui.json_text import indented

VALUE_CHARS_MAX = 4_096
"""What is shown of a value; the rest is a download."""

IN_PROCESS = "in-process://engine/"
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def iso(at: datetime) -> str:
    """For `<time datetime>`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(at: datetime) -> str:
    """What is read where no script runs: `2026-11-23 07:22:05 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(took: timedelta | float) -> str:
    """`340 ms`, `2.4 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. A number is seconds."""
    seconds = took.total_seconds() if isinstance(took, timedelta) else float(took)
    if seconds < 0.9995:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole >= 86_400:
        return _two_units(whole, 86_400, "d", 3600, "h")
    return _two_units(whole, 3600, "h", 60, "min") if whole >= 3600 else _two_units(whole, 60, "min", 1, "s")


def _two_units(seconds: int, size: int, unit: str, part_size: int, part_unit: str) -> str:
    whole, rest = divmod(seconds, size)
    part = rest // part_size
    return f"{whole} {unit} {part} {part_unit}" if part else f"{whole} {unit}"


def bytes_size(size: int) -> str:
    """`812 B`, `3.4 kB`, `1.2 MB`."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def number(value: float) -> str:
    """`1,234`; `12.3k` and `4.5M` where it is long."""
    if abs(value) < 10_000:
        return f"{value:,.0f}"
    return f"{value / 1000:,.1f}k" if abs(value) < 999_950 else f"{value / 1_000_000:,.1f}M"


def count(amount: int) -> str:
    """`1,234`, and `10,000+` where counting ended."""
    return f"{COUNT_MAX - 1:,}+" if amount >= COUNT_MAX else f"{amount:,}"


def plain(value: str) -> str:
    """Text that cannot reorder or hide what stands beside it: controls are shown as pictures."""
    return _CONTROLS.sub(_picture, value)


def _picture(found: re.Match[str]) -> str:
    point = ord(found[0])
    return chr(0x2400 + point) if point < 0x20 else "␦"


def readable(value: bytes | str | None) -> str:
    """JSON indented, its numbers as they are written; other text as it is, bytes that are neither as hex."""
    if value is None:
        return ""
    try:
        as_text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value.hex(" ") if isinstance(value, bytes) else ""
    try:
        return plain(indented(as_text))
    except ValueError:
        return plain(as_text)


def as_text(value: object) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_line(value: object) -> str:
    """The same in one line."""
    return " ".join(as_text(value).split())


def cut(value: str, chars_max: int = VALUE_CHARS_MAX) -> str:
    """The beginning of a long text, with … where it was cut."""
    return value if len(value) <= chars_max else f"{value[:chars_max]}…"


def short_id(identifier: str) -> str:
    """`inv_1bX…9fZ2`: both ends, which people compare."""
    return identifier if len(identifier) <= 18 else f"{identifier[:9]}…{identifier[-6:]}"


def place(address: str) -> str:
    """Where a deployment runs: its URL, or the target that the engine itself runs."""
    target = address.removeprefix(IN_PROCESS)
    return address if target == address else f"{unquote(target)}, in the engine's process"


def query_string(query: Mapping[str, object]) -> str:
    """`?a=1&b=2` of what is not None, or nothing. A sequence is repeated."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"?{urlencode(given, doseq=True)}" if given else ""


FILTERS: Mapping[str, Callable[..., str]] = {
    "iso": iso,
    "clock": clock,
    "duration": duration,
    "bytes_size": bytes_size,
    "number": number,
    "count": count,
    "cost": money.cost,
    "without_price": money.without_price,
    "plain": plain,
    "readable": readable,
    "as_text": as_text,
    "as_line": as_line,
    "cut": cut,
    "short_id": short_id,
    "place": place,
    "tojson_text": json.dumps,
}
