"""`perdure services`: what can be called."""

from __future__ import annotations

from typing import Annotated

import typer

from perdure.cli.admin import ask
from perdure.cli.completion import complete_service
from perdure.cli.json_output import print_json
from perdure.cli.options import ADMIN_DEFAULT, AdminUrlOption, JsonOption

app = typer.Typer(help="List and describe services and their handlers.", no_args_is_help=True)


@app.command("list")
def list_services(as_json: JsonOption = False, admin: AdminUrlOption = ADMIN_DEFAULT) -> None:
    """List services, by name.

    Example: perdure services list --json | jq -r '.[].name'
    """
    services = ask(admin, lambda api: api.services())
    if as_json:
        print_json(services)
        return
    from perdure.cli.tables import print_rows

    rows = (
        (
            each.name,
            each.deployment_id,
            each.kind.replace("_", " "),
            str(each.revision),
            ", ".join(handler.name for handler in each.handlers),
        )
        for each in services
    )
    headings = ("SERVICE", "DEPLOYMENT", "KIND", "REVISION", "HANDLERS")
    empty = "no services: register a deployment, or start one with `perdure up`"
    print_rows(headings, rows, empty=empty, uncut=2)


@app.command()
def describe(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, autocompletion=complete_service)],
    as_json: JsonOption = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Show a service: its handlers, what they take, and the settings in force.

    Example: perdure services describe Agent
    """
    service = ask(admin, lambda api: api.service(name))
    if as_json:
        print_json(service)
        return
    from perdure.cli.tables import print_facts, print_rows

    facts = [
        ("kind", service.kind.replace("_", " ")),
        ("deployment", service.deployment_id),
        ("revision", str(service.revision)),
        ("public", "yes" if service.public else "no: only other handlers may call it"),
        *((_words(setting), _told(value)) for setting, value in service.settings.items()),
    ]
    if service.documentation:
        facts.append(("documentation", service.documentation))
    print_facts(service.name, facts)
    rows = (
        (each.name, each.kind or "", each.input_description, each.output_description)
        for each in service.handlers
    )
    typer.echo()
    print_rows(("HANDLER", "KIND", "TAKES", "RETURNS"), rows, empty="no handlers")


def _told(value: object) -> str:
    """A setting's value, as a person writes it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{_words(name)} {_told(each)}" for name, each in value.items())
        case _:
            return str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
