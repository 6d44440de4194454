"""How times, durations and statuses look in a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_WIDTH_OF_A_PIPE = 200

STATUS_STYLES = {
    "scheduled": "cyan",
    "running": "yellow",
    "backing-off": "red",
    "suspended": "blue",
    "paused": "red",
    "completed": "green",
    "failed": "red",
}


class _Terminal(Console):
    """What handlers and models wrote is no command to a terminal: it can neither erase nor reorder lines."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        from perdure.ui.text import plain

        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=plain(segment.text))


def console() -> Console:
    """Standard output. Into a pipe or a file lines are long, for they are read by a program."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return _Terminal(width=_WIDTH_OF_A_PIPE if piped else None, highlight=False)


def tell(text: object) -> None:
    """One line on standard error."""
    from perdure.ui.text import plain

    print(f"perdure: {plain(' '.join(str(text).splitlines()))}", file=sys.stderr, flush=True)


def size(length_bytes: int) -> str:
    """`512 B`, `1.5 KiB`, `20.0 MiB`, `3.2 GiB`."""
    amount, units = float(length_bytes), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while amount >= 1024 and unit != "TiB":
        amount, unit = amount / 1024, next(units)
    return f"{length_bytes} B" if unit == "B" else f"{amount:.1f} {unit}"


def now() -> datetime:
    return datetime.now(UTC)


def local_time(moment: datetime) -> str:
    """In the reader's time zone, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """`12ms`, `1.84s`, `2m05s`, `3h10m`, `2d03h`: about three figures."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f}ms"
    if seconds < 59.995:
        return f"{seconds:.2f}s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest_s:02d}s"
    hours, rest_m = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{rest_m:02d}m"
    days, rest_h = divmod(hours, 24)
    return f"{days}d{rest_h:02d}h"
