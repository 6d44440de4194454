"""`perdure approvals list`: one line a question."""

from __future__ import annotations

import json

from rich.table import Table
from rich.text import Text

from perdure.cli.approval_journal import Approval
from perdure.cli.terminal import console, duration, now, parse_time


def print_approvals(approvals: list[Approval]) -> None:
    """Prints them in the order given. Ids are whole, so that they can be copied; arguments are cut."""
    out = console()
    if not approvals:
        out.print("nothing waits for approval")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("ID", "AGE", "TARGET", "AGENT", "TOOL"):
        table.add_column(name, no_wrap=True, justify="right" if name == "AGE" else "left")
    table.add_column("CALL")
    for approval in approvals:
        asked = approval.announcement
        cells = (
            approval.id,
            duration((now() - parse_time(asked["asked_at"])).total_seconds()),
            approval.target,
            " > ".join(asked.get("agents", ())),
            asked["tool"],
        )
        table.add_row(*map(Text, cells), Text(_call(approval), no_wrap=True, overflow="ellipsis"))
    out.print(table)


def _call(approval: Approval) -> str:
    """What is asked beyond the tool's name, in one line."""
    asked = approval.announcement
    notes = [str(asked[name]) for name in ("reason", "problem") if name in asked]
    return "; ".join([json.dumps(asked.get("arguments"), ensure_ascii=False), *notes])
