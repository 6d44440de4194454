"""`perdure approvals`: what waits for a human, and the human's word."""

from __future__ import annotations

import getpass
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.options import ADMIN_DEFAULT, AdminUrlOption, JsonOption
from perdure.errors import RequestError

if TYPE_CHECKING:
    from perdure.cli.admin_client import AdminClient
    from perdure.cli.approval_journal import Approval

_RECORDED_WITHIN_S = 10.0

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
    """List what waits for a decision, longest first."""
    from perdure.cli.approval_journal import pending_approvals

    with _client(admin) as client:
        approvals = pending_approvals(client)
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
    """Let the calls happen."""
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
    """Refuse the calls: the tools do not run, and the model is told."""
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
    from perdure.cli.approval_journal import Decision
    from perdure.cli.ingress_client import resolve_awakeable

    with _client(admin) as client:
        url = ingress or client.ingress_url()
        for approval_id in approval_ids:
            approval = _pending(client, approval_id)
            decision = Decision(
                approved=approved,
                always=always,
                message=message,
                by=by or _login_name(),
                id=uuid.uuid4().hex,
            )
            resolve_awakeable(url, approval_id, decision.model_dump_json().encode())
            recorded = _recorded(client, approval_id)
            if recorded is not None and recorded.decision != decision:  # another was faster
                raise RequestError(409, _why_not(recorded))
            verb = "approved" if approved else "rejected"
            typer.echo(
                f"{verb} {approval.announcement['tool']} of {approval.target} {approval.invocation_id}"
            )


def _pending(client: AdminClient, approval_id: str) -> Approval:
    from perdure.cli.approval_journal import find_approval

    approval = find_approval(client, approval_id)
    if approval is None:
        raise RequestError(
            404, f"no approval {approval_id!r}: `perdure approvals list` shows what is pending"
        )
    if approval.status != "pending":
        raise RequestError(409, _why_not(approval))
    return approval


def _recorded(client: AdminClient, approval_id: str) -> Approval | None:
    """The approval once its decision is in the journal; None if that is not kept, or has not come in time."""
    from perdure.cli.approval_journal import find_approval

    deadline = time.monotonic() + _RECORDED_WITHIN_S
    while time.monotonic() < deadline:
        approval = find_approval(client, approval_id)
        if approval is None or approval.decided_at is not None:
            return approval
        time.sleep(0.05)
    return None


def _why_not(approval: Approval) -> str:
    match approval.status:
        case "approved" | "rejected" as status:
            from perdure.cli.terminal import local_time

            assert approval.decision is not None
            assert approval.decided_at is not None
            by, message = approval.decision.by, approval.decision.message
            return (
                f"already decided: {status} at {local_time(approval.decided_at)}"
                f"{f' by {by}' if by else ''}{f': {message}' if message else ''}"
            )
        case "no decision":
            return "already answered, but by no decision: the run asks anew, see `perdure approvals list`"
        case "expired":
            return (
                f"too late: it was rejected when nobody had decided by {approval.announcement['expires_at']}"
            )
        case _:
            return f"too late: {approval.invocation_id} has ended"


def _login_name() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        return None


@contextmanager
def _client(admin: str) -> Iterator[AdminClient]:
    from perdure.cli.admin_client import AdminClient

    with AdminClient(admin) as client:
        yield client
