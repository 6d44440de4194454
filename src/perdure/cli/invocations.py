"""`perdure invocations`: what runs, what ran, what it did, and how to end it."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.admin import ask, checked_id
from perdure.cli.options import ADMIN_DEFAULT, AdminUrlOption, JsonOption

if TYPE_CHECKING:
    from perdure.inspection.admin_api import AdminApi, Verb

app = typer.Typer(help="List, describe, cancel and kill invocations.", no_args_is_help=True)


class Status(StrEnum):
    """What `--status` can ask for."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    BACKING_OFF = "backing-off"
    SUSPENDED = "suspended"
    PAUSED = "paused"
    COMPLETED = "completed"


IdArgument = Annotated[str, typer.Argument(metavar="ID", help="inv_...", show_default=False)]
IdsArgument = Annotated[list[str], typer.Argument(metavar="ID...", help="inv_...", show_default=False)]


@app.command("list")
def list_invocations(
    status: Annotated[Status | None, typer.Option(help="Only those in this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 50,
    as_json: JsonOption = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """List invocations, newest first."""
    if as_json:
        asked = {"limit": str(limit)} | ({"status": status} if status else {})
        answer = ask(admin, lambda api: api.request("GET", "/invocations", asked, expected="invocations"))
        _print_json(answer["invocations"])
        return
    from perdure.cli.invocation_table import print_table
    from perdure.inspection.invocation_list import InvocationFilter, page

    wanted = InvocationFilter(status=frozenset({str(status)}) if status else None)
    print_table(ask(admin, lambda api: page(api, wanted, limit=limit)).items, limit)


@app.command()
def describe(
    invocation_id: IdArgument,
    depth: Annotated[
        int, typer.Option(min=0, help="How many levels of called invocations to show beneath.")
    ] = 3,
    as_json: JsonOption = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Show an invocation and its journal as a tree, with times and durations."""
    checked_id(invocation_id)
    if as_json:
        _print_json(
            ask(admin, lambda api: api.request("GET", f"/invocations/{invocation_id}", expected="id"))
        )
        return
    from perdure.cli.journal_tree import print_tree, tree_of

    print_tree(ask(admin, lambda api: tree_of(api, invocation_id, depth)))


@app.command()
def cancel(invocation_ids: IdsArgument, admin: AdminUrlOption = ADMIN_DEFAULT) -> None:
    """Ask invocations, and what they have called, to stop: their handlers see it and can clean up."""
    _change(invocation_ids, "cancel", admin)


@app.command()
def kill(invocation_ids: IdsArgument, admin: AdminUrlOption = ADMIN_DEFAULT) -> None:
    """End invocations at once: their handlers get no say. Prefer cancel."""
    _change(invocation_ids, "kill", admin)


def _change(invocation_ids: list[str], verb: Verb, admin: str) -> None:
    async def change(api: AdminApi) -> None:
        for invocation_id in invocation_ids:
            await api.change(checked_id(invocation_id), verb)
            typer.echo(f"{verb} of {invocation_id} accepted")

    ask(admin, change)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
