"""`perdure invocations`: what runs, what ran, what it did, and how to end it."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.options import ADMIN_DEFAULT, AdminUrlOption, JsonOption
from perdure.errors import RequestError

if TYPE_CHECKING:
    from perdure.cli.admin_client import AdminClient, Invocation, Verb

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
    with _client(admin) as client:
        rows = client.invocations(status=status, limit=limit)
    if as_json:
        _print_json(rows)
        return
    from perdure.cli.invocation_table import print_table

    print_table(rows, limit)


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
    with _client(admin) as client:
        invocation = client.invocation(invocation_id)
        children = {} if as_json else _called_by(client, invocation, depth)
    if as_json:
        _print_json(invocation)
        return
    from perdure.cli.journal_tree import print_invocation

    print_invocation(invocation, children)


@app.command()
def cancel(invocation_ids: IdsArgument, admin: AdminUrlOption = ADMIN_DEFAULT) -> None:
    """Ask invocations, and what they have called, to stop: their handlers see it and can clean up."""
    _change(invocation_ids, "cancel", admin)


@app.command()
def kill(invocation_ids: IdsArgument, admin: AdminUrlOption = ADMIN_DEFAULT) -> None:
    """End invocations at once: their handlers get no say. Prefer cancel."""
    _change(invocation_ids, "kill", admin)


def _change(invocation_ids: list[str], verb: Verb, admin: str) -> None:
    with _client(admin) as client:
        for invocation_id in invocation_ids:
            client.change(invocation_id, verb)
            typer.echo(f"{verb} of {invocation_id} accepted")


def _client(admin: str) -> AdminClient:
    from perdure.cli.admin_client import AdminClient

    return AdminClient(admin)


def _called_by(client: AdminClient, invocation: Invocation, depth: int) -> dict[str, Invocation]:
    """What it called, what that called, and so on for `depth` levels, by invocation id."""
    found: dict[str, Invocation] = {}
    level = [invocation]
    for _ in range(depth):
        ids = [
            entry["invoked_id"]
            for caller in level
            for entry in caller.get("journal", [])
            if entry["entry_type"] == "Command: Call" and "invoked_id" in entry
        ]
        level = [called for name in ids if name not in found and (called := _still_kept(client, name))]
        found.update((called["id"], called) for called in level)
    return found


def _still_kept(client: AdminClient, invocation_id: str) -> Invocation | None:
    """None for one that is past its retention: its caller may be kept for longer."""
    try:
        return client.invocation(invocation_id)
    except RequestError as error:
        if error.status == 404:
            return None
        raise


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
