"""`perdure state`: what virtual objects and workflows remember, read and edited.

Values are JSON, as handlers write them. An edit replaces what was read, and is refused where that has changed
meanwhile, or while a handler has the object.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.admin import ask
from perdure.cli.completion import complete_entry, complete_key, complete_service
from perdure.cli.json_output import plain, print_json
from perdure.cli.options import ADMIN_DEFAULT, AdminUrlOption, JsonOption
from perdure.errors import CommandError, RequestError

if TYPE_CHECKING:
    from perdure.inspection.admin_api import AdminApi
    from perdure.inspection.objects import ObjectRow
    from perdure.inspection.state import State

_PAGE = 1_000

app = typer.Typer(help="Read and edit the state of virtual objects and workflows.", no_args_is_help=True)

ServiceArgument = Annotated[
    str, typer.Argument(metavar="SERVICE", show_default=False, autocompletion=complete_service)
]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", show_default=False, autocompletion=complete_key)]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", show_default=False, autocompletion=complete_entry)
]
VersionOption = Annotated[
    str | None,
    typer.Option(metavar="VERSION", help="Only if the state is still this one, as `get --json` tells it."),
]


@app.command("list")
def list_objects(
    service: Annotated[
        str | None,
        typer.Argument(metavar="[SERVICE]", show_default=False, autocompletion=complete_service),
    ] = None,
    text: Annotated[str, typer.Option(metavar="TEXT", help="Only keys that contain this.")] = "",
    as_json: JsonOption = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """List the services that keep state, or the objects of one.

    Example: perdure state list Conversation --text ada
    """
    if service is None:
        _list_services(as_json, admin)
        return
    rows = ask(admin, lambda api: _objects(api, service, text))
    if as_json:
        print_json(rows)
        return
    from perdure.cli.tables import print_rows
    from perdure.cli.terminal import size

    told = (
        (each.key, str(each.entries), size(each.value_bytes), str(each.waiting or ""), each.holder or "")
        for each in rows
    )
    headings = ("KEY", "ENTRIES", "SIZE", "WAITING", "IN USE BY")
    print_rows(headings, told, empty=f"no object of {service} keeps anything")


@app.command()
def get(
    service: ServiceArgument,
    key: KeyArgument,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", show_default=False, autocompletion=complete_entry)
    ] = None,
    as_json: JsonOption = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Print the state of an object, or one value of it exactly as it is kept.

    Example: perdure state get Conversation ada history | jq length
    """
    state = ask(admin, lambda api: _state(api, service, key))
    if name is not None and not as_json:
        value = _entry(state, service, key, name)
        sys.stdout.buffer.write(value if value.endswith(b"\n") else value + b"\n")
        return
    if as_json:
        chosen = state.entries if name is None else {name: _entry(state, service, key, name)}
        entries = {each: _as_json(value) for each, value in chosen.items()}
        print_json({"service": service, "key": key, "version": state.version, "entries": entries})
        return
    from perdure.cli.tables import print_rows
    from perdure.cli.terminal import size

    rows = (
        (each, size(len(value)), " ".join(value.decode(errors="replace").split()))
        for each, value in sorted(state.entries.items())
    )
    print_rows(("NAME", "SIZE", "VALUE"), rows, empty=f"{service}/{key} keeps nothing")


@app.command("set")
def set_value(
    service: ServiceArgument,
    key: KeyArgument,
    name: NameArgument,
    value: Annotated[str, typer.Argument(metavar="JSON", help="The value; - reads it from standard input.")],
    if_version: VersionOption = None,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Set one value of an object.

    Example: perdure state set Conversation ada language '"en"'
    """
    text = sys.stdin.read() if value == "-" else value
    try:
        json.loads(text)
    except ValueError as error:
        raise CommandError(f"the value is not JSON ({error}): a text is written as '\"text\"'") from None
    _write(admin, service, key, {name: text.strip().encode()}, if_version)
    typer.echo(f"set {name} of {service}/{key}")


@app.command()
def delete(
    service: ServiceArgument,
    key: KeyArgument,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", show_default=False, autocompletion=complete_entry)
    ],
    if_version: VersionOption = None,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Remove values of an object.

    Example: perdure state delete Conversation ada draft
    """
    _write(admin, service, key, dict.fromkeys(names), if_version)
    typer.echo(f"removed {', '.join(names)} of {service}/{key}")


@app.command()
def clear(
    service: ServiceArgument,
    key: KeyArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    if_version: VersionOption = None,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Remove all that an object keeps.

    Example: perdure state clear Conversation ada --yes
    """
    state = ask(admin, lambda api: _state(api, service, key))
    if not state.entries:
        typer.echo(f"{service}/{key} keeps nothing", err=True)
        return
    told = f"{len(state.entries)} values of {service}/{key}"
    if not yes and not sys.stdin.isatty():
        raise CommandError(f"add --yes to remove {told}")
    if not yes and not typer.confirm(f"remove {told}?", err=True):
        raise typer.Exit(1)
    _write(admin, service, key, dict.fromkeys(state.entries), if_version or state.version)
    typer.echo(f"removed {told}")


def _list_services(as_json: bool, admin: str) -> None:
    from perdure.inspection.objects import totals

    found = ask(admin, totals)
    if as_json:
        print_json([{"service": name, **plain(each)} for name, each in sorted(found.items())])
        return
    from perdure.cli.tables import print_rows
    from perdure.cli.terminal import size

    rows = (
        (name, str(each.objects), str(each.entries), size(each.value_bytes))
        for name, each in sorted(found.items())
    )
    print_rows(("SERVICE", "OBJECTS", "ENTRIES", "SIZE"), rows, empty="no service keeps state")


async def _objects(api: AdminApi, service: str, text: str) -> list[ObjectRow]:
    from perdure.inspection.objects import objects

    found = await objects(api, service, text=text, limit=_PAGE)
    rows = found.items
    while found.next is not None:
        found = await objects(api, service, text=text, after=found.next, limit=_PAGE)
        rows += found.items
    return rows


async def _state(api: AdminApi, service: str, key: str) -> State:
    from perdure.inspection.state import state

    return await state(api, service, key)


def _entry(state: State, service: str, key: str, name: str) -> bytes:
    if name not in state.entries:
        there = ", ".join(sorted(state.entries)) or "nothing"
        raise RequestError(404, f"{service}/{key} has no {name!r}; it has: {there}")
    return state.entries[name]


def _write(
    admin: str, service: str, key: str, changes: dict[str, bytes] | dict[str, None], if_version: str | None
) -> None:
    from perdure.inspection.state import edit

    if not ask(admin, lambda api: edit(api, service, key, changes, if_version)):
        typer.echo("accepted; it is not to be seen yet, for a handler has the object", err=True)


def _as_json(value: bytes) -> object:
    """What it says if it is JSON, as handlers write it; else its text."""
    try:
        return json.loads(value)
    except ValueError:
        return value
