"""`perdure approvals list`: two lines a question. The second is never cut: it is what a human decides on."""

from __future__ import annotations

import json

from rich.text import Text

from perdure.cli.terminal import console, duration, now
from perdure.inspection.approvals import Approval


def print_approvals(approvals: list[Approval]) -> None:
    """Prints them in the order given."""
    out = console()
    if not approvals:
        out.print("nothing waits for approval")
    for approval in approvals:
        age = duration((now() - approval.asked_at).total_seconds())
        out.print(Text.assemble((approval.id, "bold"), f"  {approval.target}  {age} ago"), soft_wrap=True)
        out.print(Text(f"    {_call(approval)}"), soft_wrap=True)


def _call(approval: Approval) -> str:
    """`Boss > Clerk: pay {"to": "Ada"}`, and why it is asked, if that is not the usual."""
    asked = approval.announcement
    agents = " > ".join(map(str, asked.get("agents", ())))
    arguments = json.dumps(asked.get("arguments"), ensure_ascii=False)
    notes = "".join(f"; {asked[name]}" for name in ("reason", "problem") if name in asked)
    return " ".join(f"{agents + ': ' if agents else ''}{asked['tool']} {arguments}{notes}".split())
