"""`perdure approvals`: what waits for a human, and the human's word."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.admin import ask
from perdure.cli.options import ADMIN_DEFAULT, AdminUrlOption, JsonOption

if TYPE_CHECKING:
    from perdure.inspection.admin_api import AdminApi

app = typer.Typer(help="List, approve and reject tool calls that wait for a human.", no_args_is_help=True)

IdsArgument = Annotated[list[str], typer.Argument(metavar="ID...", help="sign_1...", show_default=False)]
AlwaysOption = Annotated[
    bool, typer.Option("--always", help="Later calls of this tool by this agent too, to the end of the run.")
]
ByOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Who decides. Default: your login name.", show_default=False),
]
IngressUrlOption = Annotated[
    str | None,
    typer.Option(
        "--ingress",
        envvar="PERDURE_INGRESS",
        metavar="HOST:PORT|URL",
        help="The ingress of the engine. Default: where the admin API says that it is.",
        show_default=False,
    ),
]


@app.command("list")
def list_approvals(as_json: JsonOption = False, admin: AdminUrlOption = ADMIN_DEFAULT) -> None:
    """List what waits for a decision, longest first.

    Example: perdure approvals list
    """
    from perdure.inspection.approvals import pending

    approvals = ask(admin, pending)
    if as_json:
        rows = [
            {"id": each.id, "invocation_id": each.invocation_id, "target": each.target, **each.announcement}
            for each in approvals
        ]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from perdure.cli.approval_list import print_approvals

    print_approvals(approvals)


@app.command()
def approve(
    approval_ids: IdsArgument,
    always: AlwaysOption = False,
    note: Annotated[str | None, typer.Option(help="Kept in the journal.", show_default=False)] = None,
    by: ByOption = None,
    ingress: IngressUrlOption = None,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Let the calls happen.

    Example: perdure approvals approve sign_1aeyhOK5cIqW5H8NAD2jfPT5 --note "checked"
    """
    _decide(approval_ids, True, always, note, by, ingress, admin)


@app.command()
def reject(
    approval_ids: IdsArgument,
    always: AlwaysOption = False,
    message: Annotated[
        str | None, typer.Option(help="Why: the model reads it in place of the output.", show_default=False)
    ] = None,
    by: ByOption = None,
    ingress: IngressUrlOption = None,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Refuse the calls: the tools do not run, and the model is told.

    Example: perdure approvals reject sign_1aeyhOK5cIqW5H8NAD2jfPT5 --message "too much"
    """
    _decide(approval_ids, False, always, message, by, ingress, admin)


def _decide(
    approval_ids: list[str],
    approved: bool,
    always: bool,
    message: str | None,
    by: str | None,
    ingress: str | None,
    admin: str,
) -> None:
    from perdure.inspection.decisions import decide

    async def decide_all(api: AdminApi) -> None:
        for approval_id in approval_ids:
            approval = await decide(
                api,
                approval_id,
                approved=approved,
                always=always,
                message=message,
                by=by or _login_name(),
                ingress=ingress,
            )
            verb = "approved" if approved else "rejected"
            typer.echo(
                f"{verb} {approval.announcement['tool']} of {approval.target} {approval.invocation_id}"
            )

    ask(admin, decide_all)


def _login_name() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        return None
