"""The few lines that an engine prints when it is ready: what runs where, and what to type next."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
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
    watched: Path | None = None,
) -> None:
    """`target` and `manifest` where handlers run in this process; `resumed`: how many invocations go on;
    `public_key`: by which remote deployments know who calls; `watched`: whose changes bring new handlers."""
    facts: list[tuple[str, str, str]] = []
    if manifest is not None:
        facts.append(("handlers", ", ".join(target_names(manifest)), "bold"))
    facts += [
        ("ingress", ingress_url, ""),
        ("admin", admin_url, ""),
        ("UI", f"{admin_url}/ui/", ""),
        ("data", str(data_dir), ""),
    ]
    if public_key is not None:
        facts.append(("signs as", public_key, ""))
    if watched is not None:
        facts.append(("reloads", f"when Python files in {watched} change", ""))
    if resumed:
        noun = "invocation" if resumed == 1 else "invocations"
        facts.append(("resumed", f"{resumed} unfinished {noun}", "yellow"))
    if manifest is not None and (line := curl_line(manifest, ingress_url)):
        facts.append(("try", line, "green"))
    # stderr: standard output belongs to what the user's handlers print
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    out.print(Text(f"perdure up {target}" if target else "perdure engine", style="bold"))
    width = max(len(name) for name, _, _ in facts) + 2
    for name, value, style in facts:
        out.print(Text.assemble((name.ljust(width), "dim"), (value, style)))
