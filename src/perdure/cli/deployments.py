"""`perdure deployments`: where handlers run, and how the engine comes to know of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perdure.cli.admin import ask
from perdure.cli.completion import complete_deployment
from perdure.cli.exit_codes import FAILED
from perdure.cli.json_output import print_json
from perdure.cli.options import ADMIN_DEFAULT, AdminUrlOption, JsonOption
from perdure.errors import CommandError, RequestError

if TYPE_CHECKING:
    from perdure.inspection.admin_api import AdminApi
    from perdure.inspection.deployments import Deployment

app = typer.Typer(help="List, describe, register and remove deployments.", no_args_is_help=True)

IdArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="dp_...", show_default=False, autocompletion=complete_deployment),
]


@app.command("list")
def list_deployments(as_json: JsonOption = False, admin: AdminUrlOption = ADMIN_DEFAULT) -> None:
    """List deployments, newest first.

    Example: perdure deployments list
    """
    deployments = ask(admin, lambda api: api.deployments())
    if as_json:
        print_json(deployments)
        return
    from perdure.cli.tables import print_rows
    from perdure.cli.terminal import local_time

    rows = (
        (each.id, each.address, local_time(each.created_at), ", ".join(each.services)) for each in deployments
    )
    print_rows(("DEPLOYMENT", "ADDRESS", "CREATED", "SERVICES"), rows, empty="no deployments")


@app.command()
def describe(
    deployment_id: IdArgument, as_json: JsonOption = False, admin: AdminUrlOption = ADMIN_DEFAULT
) -> None:
    """Show a deployment, and how many invocations are not over there.

    Example: perdure deployments describe dp_17xkNaMHRaK9hmC5VYQ8GJw
    """
    deployment, unfinished = ask(admin, lambda api: _with_unfinished(api, deployment_id))
    if as_json:
        from perdure.cli.json_output import plain

        print_json({**plain(deployment), "unfinished_invocations": unfinished})
        return
    from perdure.cli.tables import print_facts
    from perdure.cli.terminal import local_time

    first, last = deployment.protocol_versions
    facts = [
        ("address", deployment.address),
        ("created", local_time(deployment.created_at)),
        ("services", ", ".join(f"{name} (revision {n})" for name, n in deployment.services.items())),
        ("invocations", f"{unfinished} not over"),
        ("protocol", f"{deployment.protocol} {first} to {last}"),
        ("SDK", deployment.sdk or "unknown"),
        *((f"header {name}", value) for name, value in deployment.headers.items()),
        *((name, value) for name, value in deployment.metadata.items()),
    ]
    print_facts(deployment.id, facts)


@app.command()
def register(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the handlers are served.")],
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Sent with every request there; may be repeated."),
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Kept with it; may be repeated.")
    ] = None,
    http1: Annotated[bool, typer.Option("--http1", help="It speaks HTTP/1.1 alone.")] = False,
    breaking: Annotated[bool, typer.Option("--breaking", help="A service may change its kind.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is known at this URL. What runs there may break.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look, and keep nothing.")] = False,
    as_json: JsonOption = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Let the engine discover handlers at URL, and send them new invocations.

    Example: perdure deployments register http://localhost:9080
    """
    body = {
        "uri": url if "://" in url else f"http://{url}",
        "additional_headers": _pairs("--header", header),
        "metadata": _pairs("--metadata", metadata),
        "use_http_11": http1,
        "breaking": breaking,
        "force": force,
        "dry_run": dry_run,
    }
    answer = ask(admin, lambda api: api.request("POST", "/deployments", body=body, expected="id"))
    if as_json:
        print_json(_registered(answer))
        return
    kept = "found (nothing is kept)" if dry_run else "registered"
    typer.echo(f"{kept} {answer['id']}")
    for service in answer["services"]:
        handlers = ", ".join(handler["name"] for handler in service["handlers"])
        typer.echo(f"  {service['name']}  revision {service['revision']}  {handlers}")


@app.command()
def remove(
    deployment_id: IdArgument,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask, even if invocations run there.")
    ] = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Forget a deployment. What is not over there waits until it is resumed on another one.

    Example: perdure deployments remove dp_17xkNaMHRaK9hmC5VYQ8GJw
    """
    _, unfinished = ask(admin, lambda api: _with_unfinished(api, deployment_id))
    if unfinished and not yes:
        told = f"{unfinished} invocations are not over on {deployment_id}"
        if not sys.stdin.isatty():
            raise CommandError(f"{told}: add --yes to remove it nevertheless")
        if not typer.confirm(f"{told}. Remove it nevertheless?", err=True):
            raise typer.Exit(FAILED)
    ask(admin, lambda api: api.request("DELETE", f"/deployments/{deployment_id}", {"force": "true"}))
    typer.echo(f"removed {deployment_id}")


async def _with_unfinished(api: AdminApi, deployment_id: str) -> tuple[Deployment, int]:
    found = next((each for each in await api.deployments() if each.id == deployment_id), None)
    if found is None:
        raise RequestError(404, f"no deployment {deployment_id!r}: `perdure deployments list` shows them")
    counted = await api.query(
        "SELECT count(*) AS unfinished FROM sys_invocation "
        f"WHERE pinned_deployment_id = '{found.id}' AND status <> 'completed'"
    )
    return found, counted.rows[0]["unfinished"]


def _registered(answer: Any) -> dict[str, object]:
    services = {each["name"]: each["revision"] for each in answer["services"]}
    return {"id": answer["id"], "services": services}


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise CommandError(f"{option} {each!r}: write NAME=VALUE")
        pairs[name] = value
    return pairs
