"""The few lines that an engine prints when it is ready: what runs where, and what to type next."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from perdure.cli.handlers import curl_line, target_names
from perdure.protocol.discovery import Manifest


def print_banner(
    *,
    ingress_url: str,
    admin_url: str,
    data_dir: Path,
    target: str | None = None,
    manifest: Manifest | None = None,
    resumed: int = 0,
    public_key: str | None = None,
) -> None:
    """`target` and `manifest` where handlers run in this process; `resumed`: how many invocations go on;
    `public_key`: by which remote deployments know who calls."""
    # stderr: standard output belongs to what the user's handlers print
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True)
    if manifest is not None:
        grid.add_row("handlers", Text(", ".join(target_names(manifest)), style="bold"))
    grid.add_row("ingress", Text(ingress_url))
    grid.add_row("admin", Text(admin_url))
    grid.add_row("UI", Text(f"{admin_url}/ui/"))
    grid.add_row("data", Text(str(data_dir)))
    if public_key is not None:
        grid.add_row("signs as", Text(public_key))
    if resumed:
        noun = "invocation" if resumed == 1 else "invocations"
        grid.add_row("resumed", Text(f"{resumed} unfinished {noun}", style="yellow"))
    if manifest is not None and (line := curl_line(manifest, ingress_url)):
        grid.add_row("try", Text(line, style="green"))
    out.print(Text(f"perdure up {target}" if target else "perdure engine", style="bold"))
    out.print(grid)
