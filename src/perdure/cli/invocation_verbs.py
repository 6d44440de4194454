"""`perdure invocations cancel|kill|pause|resume|restart|purge`: those named, or all that match a filter."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.admin import ask, checked_id
from perdure.cli.completion import complete_deployment, complete_ended, complete_running
from perdure.cli.composed_options import composed
from perdure.cli.exit_codes import FAILED
from perdure.cli.invocation_filter import Wanted, filter_options
from perdure.cli.json_output import print_json
from perdure.cli.options import ADMIN_DEFAULT, AdminUrlOption
from perdure.cli.terminal import tell
from perdure.errors import CommandError

if TYPE_CHECKING:
    from perdure.inspection.admin_api import AdminApi, Changed, Verb
    from perdure.inspection.invocation_list import InvocationFilter

_PAGE = 1_000
_BATCH = 100
"""Small enough that progress is seen; one commit each."""

_UNDER_WAY = frozenset({"scheduled", "pending", "running", "backing-off", "suspended", "paused"})
_ENDED = frozenset({"succeeded", "failed"})

RunningIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="inv_...", show_default=False, autocompletion=complete_running),
]
EndedIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="inv_...", show_default=False, autocompletion=complete_ended),
]
AllOption = Annotated[bool, typer.Option("--all", help="All of them, without a filter.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print what came of each as JSON.")]
DeploymentOption = Annotated[
    str | None,
    typer.Option(
        metavar="ID|latest|keep",
        help="Go on with this deployment's code.",
        autocompletion=complete_deployment,
    ),
]


@dataclass(frozen=True, slots=True)
class Act:
    """One verb, and the statuses that it is for. deployment and from_index: see AdminApi.change."""

    verb: Verb
    word: str
    among: frozenset[str]
    deployment: str | None = None
    from_index: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Which invocations, and how."""

    ids: list[str]
    wanted: Wanted
    everything: bool
    yes: bool
    as_json: bool
    admin: str


@composed(wanted=filter_options)
def _under_way(
    wanted: Wanted,
    invocation_ids: RunningIds = None,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> Asked:
    return Asked(invocation_ids or [], wanted, everything, yes, as_json, admin)


@composed(wanted=filter_options)
def _ended(
    wanted: Wanted,
    invocation_ids: EndedIds = None,
    everything: AllOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> Asked:
    return Asked(invocation_ids or [], wanted, everything, yes, as_json, admin)


@composed(asked=_under_way)
def cancel(asked: Asked) -> None:
    """Ask invocations, and what they have called, to stop: their handlers see it and can clean up.

    Example: perdure invocations cancel --service Agent --status backing-off
    """
    _act(Act("cancel", "cancel", _UNDER_WAY), asked)


@composed(asked=_under_way)
def kill(asked: Asked) -> None:
    """End invocations at once: their handlers get no say. Prefer cancel.

    Example: perdure invocations kill inv_1aeyhOK5cIqW5H8NAD2jfPT5GUQWKQ3Rdv
    """
    _act(Act("kill", "kill", _UNDER_WAY), asked)


@composed(asked=_under_way)
def pause(asked: Asked) -> None:
    """Let invocations stop where they are, until they are resumed.

    Example: perdure invocations pause --service Agent --yes
    """
    _act(Act("pause", "pause", frozenset({"running", "backing-off", "suspended"})), asked)


@composed(asked=_under_way)
def resume(asked: Asked, deployment: DeploymentOption = None) -> None:
    """Let paused invocations go on, and those that back off try again now.

    Example: perdure invocations resume --status paused --deployment latest
    """
    _act(Act("resume", "resume", frozenset({"paused", "backing-off"}), deployment), asked)


@composed(asked=_ended)
def restart(
    asked: Asked,
    from_index: Annotated[
        int | None,
        typer.Option("--from", min=0, metavar="N", help="Keep the journal before entry N. Default: 0."),
    ] = None,
    deployment: DeploymentOption = None,
) -> None:
    """Run completed invocations again, each as a new one with the same input. Prints the new ids.

    Example: perdure invocations restart inv_1aeyhOK5cIqW5H8NAD2jfPT5GUQWKQ3Rdv --from 4
    """
    if from_index is not None and len(asked.ids) != 1:
        raise CommandError("--from is an entry of one journal: name one ID with it")
    _act(Act("restart-as-new", "restart", _ENDED, deployment, from_index), asked)


@composed(asked=_ended)
def purge(
    asked: Asked,
    journal: Annotated[bool, typer.Option("--journal", help="Their journals alone: results stay.")] = False,
) -> None:
    """Forget completed invocations before their retention is over.

    Example: perdure invocations purge --status succeeded --until 7d
    """
    _act(Act("purge-journal" if journal else "purge", "purge", _ENDED), asked)


def add_to(app: typer.Typer) -> None:
    """The verbs, as commands of `perdure invocations`."""
    for command in (cancel, kill, pause, resume, restart, purge):
        app.command()(command)


def _act(act: Act, asked: Asked) -> None:
    ids = _named(asked) or _matching(act, asked)
    succeeded: list[Changed] = []
    failed: list[Changed] = []

    async def change(api: AdminApi) -> None:
        from perdure.cli.progress import progress

        for batch in progress([ids[at : at + _BATCH] for at in range(0, len(ids), _BATCH)], act.word):
            for each in await api.change_many(
                batch, act.verb, deployment=act.deployment, from_index=act.from_index
            ):
                (succeeded if each.error is None else failed).append(each)
                if not asked.as_json:
                    _tell(act, each)

    ask(asked.admin, change)
    if asked.as_json:
        print_json({"succeeded": succeeded, "failed": failed})
    elif len(ids) > 1:
        typer.echo(f"{act.word}: {len(succeeded)} accepted, {len(failed)} refused", err=True)
    if failed:
        raise typer.Exit(FAILED)


def _tell(act: Act, each: Changed) -> None:
    if each.error is not None:
        tell(each.error)
    elif each.new_id is not None:
        typer.echo(f"restart of {each.id} is {each.new_id}")
    else:
        typer.echo(f"{act.word} of {each.id} accepted")


def _named(asked: Asked) -> list[str]:
    if asked.ids and (asked.everything or not asked.wanted.is_everything):
        raise CommandError("say which either by ID or by a filter, not by both")
    if not asked.ids and asked.wanted.is_everything and not asked.everything:
        raise CommandError("say which: IDs, a filter such as --status or --service, or --all")
    return list(dict.fromkeys(map(checked_id, asked.ids)))


def _matching(act: Act, asked: Asked) -> list[str]:
    """The ids of all that match, once a person has agreed to their number."""
    chosen = asked.wanted.filter(act.among)
    if not chosen.status:
        are = ", ".join(sorted(asked.wanted.status))
        raise CommandError(f"{act.word} is for those that are {', '.join(sorted(act.among))}; not for {are}")
    ids = ask(asked.admin, lambda api: _ids(api, chosen))
    noun = "invocation" if len(ids) == 1 else "invocations"
    if not ids:
        typer.echo(f"no invocation to {act.word} matches", err=True)
        raise typer.Exit(0)
    if asked.yes:
        return ids
    if not sys.stdin.isatty():
        raise CommandError(f"{len(ids)} {noun} match: add --yes to {act.word} them")
    if not typer.confirm(f"{act.word} {len(ids)} {noun}?", err=True):
        raise typer.Exit(FAILED)
    return ids


async def _ids(api: AdminApi, wanted: InvocationFilter) -> list[str]:
    from perdure.inspection.invocation_list import page

    ids: list[str] = []
    cursor: str | None = None
    while True:
        part = await page(api, wanted, cursor, _PAGE)
        ids += [each.id for each in part.items]
        cursor = part.next
        if cursor is None:
            return ids
