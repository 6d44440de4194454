"""`perdure sql`: ask the engine's tables. docs/guide/sql.md names them."""

from __future__ import annotations

import csv
import json
import sys
from typing import Annotated

import typer

from perdure.cli.admin import ask
from perdure.cli.json_output import print_json
from perdure.cli.options import ADMIN_DEFAULT, AdminUrlOption
from perdure.errors import CommandError


def sql(
    query: Annotated[
        str,
        typer.Argument(
            metavar="QUERY", help="SELECT ...; - reads it from standard input.", show_default=False
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the rows as JSON objects; nulls are left out.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV with a heading.")] = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Query invocations, journals and state with SQL.

    Example: perdure sql "SELECT status, count(*) AS n FROM sys_invocation GROUP BY status"
    """
    if as_json and as_csv:
        raise CommandError("choose one of --json and --csv")
    text = sys.stdin.read() if query == "-" else query
    if not text.strip():
        raise CommandError('the query is empty: write perdure sql "SELECT ..."')
    found = ask(admin, lambda api: api.query(text, by_person=True))
    if as_json:
        print_json(found.rows)
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, found.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in found.rows)
    else:
        from perdure.cli.tables import print_rows

        rows = ([_cell(row.get(name)) for name in found.columns] for row in found.rows)
        print_rows(found.columns or [""], rows, empty="no rows")


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
