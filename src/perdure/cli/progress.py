"""A bar for work that takes a while, on a terminal that is looked at, and nothing anywhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def progress(parts: Sequence[Sequence[T]], doing: str) -> Iterator[Sequence[T]]:
    """The parts one after the other; the bar counts what is in them."""
    from rich.console import Console
    from rich.progress import Progress

    err = Console(stderr=True)
    with Progress(console=err, transient=True, disable=not err.is_terminal or len(parts) < 2) as bar:
        task = bar.add_task(doing, total=sum(map(len, parts)))
        for part in parts:
            yield part
            bar.advance(task, len(part))
