"""`perdure invocations list`: one line an invocation."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from perdure.cli.terminal import STATUS_STYLES, console, duration, now
from perdure.inspection.records import Invocation


def print_table(invocations: list[Invocation]) -> None:
    """Prints them in the order given."""
    out = console()
    if not invocations:
        out.print("no invocations")
        return
    out.print(table_of(invocations))


def table_of(invocations: list[Invocation]) -> Table:
    """In the order given."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("ID", "TARGET", "STATUS"):
        table.add_column(name, no_wrap=True)
    for name in ("AGE", "TOOK"):
        table.add_column(name, no_wrap=True, justify="right")
    if any(failure(row) for row in invocations):
        # rich takes the width that is missing from columns that may wrap: this one, whose cells then do not
        table.add_column("FAILURE")
    for row in invocations:
        told = Text(" ".join(failure(row).split()), style="red", no_wrap=True, overflow="ellipsis")
        age = duration((now() - row.created_at).total_seconds())
        cells = [
            Text(row.id),
            Text(row.target),
            status_text(row),
            Text(age),
            Text(took(row) or ""),
            told,
        ]
        table.add_row(*cells[: len(table.columns)])
    return table


def status_text(invocation: Invocation) -> Text:
    """`completed` is said as how it ended."""
    status = "failed" if invocation.failed else invocation.status
    retries = invocation.retry_count
    note = f" (retry {retries})" if retries and status in ("running", "backing-off") else ""
    return Text(status + note, style=STATUS_STYLES.get(status, ""))


def took(invocation: Invocation) -> str | None:
    """From its creation to its end, if it has ended."""
    return None if invocation.took is None else duration(invocation.took.total_seconds())


def failure(invocation: Invocation) -> str:
    """How it failed in the end, or at its last attempt."""
    return invocation.failure or invocation.last_failure or ""
