"""`perdure doctor TARGET`: what of each agent is a step, what is orchestration, what is refused, and why."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import typer

from perdure.cli.exit_codes import FAILED
from perdure.cli.options import JsonOption, TargetArgument

if TYPE_CHECKING:
    from perdure.openai.graph import Report

_STYLES = {"step": "green", "orchestration": "cyan", "provider": "dim", "refused": "red"}


def doctor(target: TargetArgument, as_json: JsonOption = False) -> None:
    """Say how each agent of TARGET is made durable, without running any. Exits with 1 if one is refused.

    Example: perdure doctor agent.py
    """
    from perdure.cli.target import Target

    Target.parse(target).load()
    from perdure.openai.compat.parts import agents_in_process
    from perdure.openai.graph import examine

    reports = sorted(examine(agents_in_process()), key=lambda report: report.agent.name)
    if as_json:
        typer.echo(json.dumps([_plain(report) for report in reports], indent=2))
    else:
        _print(reports)
    if any(finding.kind == "refused" for report in reports for finding in report.findings):
        raise typer.Exit(FAILED)


def _plain(report: Report) -> dict[str, object]:
    return {
        "agent": report.agent.name,
        "findings": [dataclasses.asdict(finding) for finding in report.findings],
    }


def _print(reports: list[Report]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from perdure.cli.terminal import console

    out = console()
    if not reports:
        out.print("No agent exists once TARGET is loaded. One that a handler makes is not seen here.")
    for report in reports:
        table = Table(box=None, padding=(0, 2, 0, 2), show_header=False)
        for finding in report.findings:
            kind = f"[{_STYLES[finding.kind]}]{finding.kind}[/]"
            table.add_row(kind, escape(finding.what), escape(finding.why))
        out.print(f"[bold]{escape(report.agent.name)}[/]")
        out.print(table)
