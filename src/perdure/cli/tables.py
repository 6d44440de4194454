"""Plain tables and lists of facts, as every command prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from perdure.cli.terminal import console

Cell = str | Text


def print_rows(
    headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, empty: str, uncut: int = 1
) -> None:
    """A line a row; `empty` where there is none. A narrow terminal cuts all columns but the first `uncut`."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for at, heading in enumerate(headings):
        # rich takes the width that is missing from columns that may wrap; the cells of these then do not
        table.add_column(heading, no_wrap=at < uncut)
    for row in rows:
        cells = [Text(cell) if isinstance(cell, str) else cell for cell in row]
        for cell in cells:
            cell.no_wrap, cell.overflow = True, "ellipsis"
        table.add_row(*cells)
    console().print(table if table.row_count else empty)


def print_facts(title: str, facts: Iterable[tuple[str, Cell]]) -> None:
    """`name  value` lines beneath a title; what is long goes on in the next line."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(value) if isinstance(value, str) else value)
    out = console()
    out.print(Text(title, style="bold"))
    out.print(table)
