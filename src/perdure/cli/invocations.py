"""`perdure invocations`: what runs, what ran, and what it did."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli import invocation_verbs
from perdure.cli.admin import ask, checked_id
from perdure.cli.completion import complete_invocation
from perdure.cli.composed_options import composed
from perdure.cli.exit_codes import FAILED
from perdure.cli.invocation_filter import Wanted, filter_options
from perdure.cli.json_output import plain, print_json
from perdure.cli.options import ADMIN_DEFAULT, AdminUrlOption, JsonOption
from perdure.errors import CommandError

if TYPE_CHECKING:
    from perdure.inspection.admin_api import AdminApi
    from perdure.inspection.invocation_list import InvocationFilter, Page
    from perdure.inspection.records import Invocation

_PAGE_MAX = 1_000

app = typer.Typer(help="List, describe, watch and act on invocations.", no_args_is_help=True)

IdArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="inv_...", show_default=False, autocompletion=complete_invocation),
]
OptionalIdArgument = Annotated[
    str | None,
    typer.Argument(metavar="[ID]", help="inv_...", show_default=False, autocompletion=complete_invocation),
]


@app.command("list")
@composed(wanted=filter_options)
def list_invocations(
    wanted: Wanted,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All of them, however many.")] = False,
    cursor: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on where an earlier list ended.")
    ] = None,
    ids: Annotated[bool, typer.Option("--ids", "-q", help="Print the ids alone, one a line.")] = False,
    as_json: JsonOption = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """List invocations, newest first.

    Example: perdure invocations list --status failed --service Agent --since 2h
    """
    chosen = wanted.filter()
    found = ask(admin, lambda api: _pages(api, chosen, cursor, None if everything else limit))
    if ids:
        for each in found.items:
            typer.echo(each.id)
    elif as_json:
        print_json([invocation_json(each) for each in found.items])
    else:
        from perdure.cli.invocation_table import print_table

        print_table(found.items)
    if found.next is not None:
        typer.echo(f"there are more: --cursor {found.next}, --limit or --all", err=True)


async def _pages(api: AdminApi, wanted: InvocationFilter, cursor: str | None, limit: int | None) -> Page:
    from perdure.inspection.invocation_list import Page, page

    items: list[Invocation] = []
    while True:
        left = _PAGE_MAX if limit is None else limit - len(items)
        part = await page(api, wanted, cursor, min(left, _PAGE_MAX))
        items += part.items
        cursor = part.next
        if cursor is None or len(items) == limit:
            return Page(items, cursor)


@app.command()
def describe(
    invocation_id: IdArgument,
    depth: Annotated[
        int, typer.Option(min=0, help="How many levels of called invocations to show beneath.")
    ] = 3,
    as_json: JsonOption = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Show an invocation and its journal as a tree, with times and durations.

    Example: perdure invocations describe inv_1aeyhOK5cIqW5H8NAD2jfPT5GUQWKQ3Rdv
    """
    checked_id(invocation_id)
    if as_json:
        print_json(ask(admin, lambda api: _described(api, invocation_id)))
        return
    from perdure.cli.journal_tree import print_tree, tree_of

    print_tree(ask(admin, lambda api: tree_of(api, invocation_id, depth)))


async def _described(api: AdminApi, invocation_id: str) -> dict[str, object]:
    from perdure.inspection.invocation_list import invocation
    from perdure.inspection.journal import failures, whole_journal
    from perdure.inspection.usage import usage_of

    steps = await whole_journal(api, invocation_id)
    return {
        **invocation_json(await invocation(api, invocation_id)),
        "usage": usage_of(steps),
        "steps": steps,
        "failures": await failures(api, invocation_id),
    }


@app.command()
@composed(wanted=filter_options)
def watch(
    wanted: Wanted,
    invocation_id: OptionalIdArgument = None,
    depth: Annotated[
        int, typer.Option(min=0, help="How many levels of called invocations to show beneath.")
    ] = 3,
    as_json: JsonOption = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Watch one invocation until it ends, or a list of them. Exits with 1 if that one failed.

    Example: perdure invocations watch --status running
    """
    from perdure.cli.invocation_watch import watch_list, watch_one

    if invocation_id is None:
        watch_list(admin, wanted.filter())
        return
    if not wanted.is_everything:
        raise CommandError("an ID says already which: leave the filter out")
    ended = watch_one(admin, checked_id(invocation_id), depth, quiet=as_json)
    if as_json:
        print_json(invocation_json(ended))
    if ended.failed:
        raise typer.Exit(FAILED)


def invocation_json(invocation: Invocation) -> dict[str, object]:
    """Its fields, and `state`: its status, or how it ended."""
    fields = {field.name: getattr(invocation, field.name) for field in dataclasses.fields(invocation)}
    return dict(plain({**fields, "state": invocation.state}))


invocation_verbs.add_to(app)
