"""The few lines that `perdure up` prints when it is ready: what runs where, and what to type next."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from perdure.cli.manifest import curl_line, target_names
from perdure.protocol.discovery import Manifest


def print_banner(
    *, target: str, manifest: Manifest, ingress_url: str, admin_url: str, data_dir: Path, resumed: str | None
) -> None:
    """`resumed` says how many invocations of an earlier life go on; None says nothing."""
    # stderr: standard output belongs to what the user's handlers print
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ignore")
    grid.add_row("handlers", Text(", ".join(target_names(manifest)), style="bold"))
    grid.add_row("ingress", ingress_url)
    grid.add_row("admin", admin_url)
    grid.add_row("data", Text(str(data_dir)))
    if resumed:
        grid.add_row("resumed", Text(resumed, style="yellow"))
    line = curl_line(manifest, ingress_url)
    if line:
        grid.add_row("try", Text(line, style="green"))
    out.print(Text.assemble(("perdure up ", "bold"), target))
    out.print(grid)
