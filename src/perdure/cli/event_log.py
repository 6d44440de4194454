"""`perdure logs`: what happened to invocations, as the engine's journals tell it, line by line."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.admin import ask, checked_id
from perdure.cli.completion import complete_invocation, complete_service
from perdure.cli.invocation_filter import read_time
from perdure.cli.json_output import plain
from perdure.cli.options import ADMIN_DEFAULT, AdminUrlOption
from perdure.errors import EngineUnreachable

if TYPE_CHECKING:
    from perdure.inspection.admin_api import AdminApi
    from perdure.inspection.event_log import Event

_EVERY_S = 1.0
_LATE = timedelta(seconds=5)
"""What is younger may still be on its way into the tables: it is read again."""

_STYLES = {"created": "cyan", "attempt failed": "yellow", "succeeded": "green", "failed": "red"}


def logs(
    invocation_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="inv_...", show_default=False, autocompletion=complete_invocation
        ),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only of this service.", autocompletion=complete_service),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="From then on: 10m, 2h ago, or 2026-11-23T07:00. Default: 1h; of an ID, all."
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, of an ID until it has ended.")
    ] = False,
    stacktraces: Annotated[
        bool, typer.Option("--stacktraces", help="Print the stack trace of each failed attempt.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
    admin: AdminUrlOption = ADMIN_DEFAULT,
) -> None:
    """Print when invocations began, how their attempts failed, and how they ended.

    Example: perdure logs --service Agent --follow
    """
    begin = read_time("--since", since)
    if begin is None:
        begin = (
            datetime.now(UTC) - timedelta(hours=1)
            if invocation_id is None
            else datetime(1970, 1, 1, tzinfo=UTC)
        )
    if invocation_id is not None:
        checked_id(invocation_id)
    log = _Log(invocation_id, service, stacktraces, as_json)
    with suppress(KeyboardInterrupt):  # how --follow is left
        ask(admin, lambda api: log.follow(api, begin) if follow else log.print_new(api, begin))


class _Log:
    """What is printed, and what has been already."""

    def __init__(
        self, invocation_id: str | None, service: str | None, stacktraces: bool, as_json: bool
    ) -> None:
        self._invocation_id = invocation_id
        self._service = service
        self._stacktraces = stacktraces
        self._as_json = as_json
        self._printed: set[Event] = set()
        self._has_ended = False

    async def follow(self, api: AdminApi, since: datetime) -> None:
        """Until the invocation has ended, if it is of one. An engine that stops is waited for."""
        await self.print_new(api, since)
        while not self._has_ended:
            await asyncio.sleep(_EVERY_S)
            if self._printed:  # by the engine's clock, which may not be ours
                since = max(since, max(event.at for event in self._printed) - _LATE)
                self._printed = {event for event in self._printed if event.at >= since}
            with suppress(EngineUnreachable):
                await self.print_new(api, since)

    async def print_new(self, api: AdminApi, since: datetime) -> None:
        from perdure.inspection.event_log import events

        if self._invocation_id is not None and not self._printed:
            from perdure.inspection.invocation_list import invocation

            await invocation(api, self._invocation_id)  # says if there is none
        for event in await events(api, since, invocation_id=self._invocation_id, service=self._service):
            if event not in self._printed:
                self._printed.add(event)
                self._print(event)
                self._has_ended |= self._invocation_id is not None and event.kind in ("succeeded", "failed")

    def _print(self, event: Event) -> None:
        if self._as_json:
            typer.echo(json.dumps(plain(event), ensure_ascii=False))
            return
        from rich.text import Text

        from perdure.cli.terminal import console, local_time

        line = Text(f"{local_time(event.at)}  ", style="dim")
        line.append(f"{event.invocation_id}  ", style="")
        line.append(f"{event.target}  ", style="bold")
        line.append(event.kind, style=_STYLES[event.kind])
        if event.step_name:
            line.append(f" at {event.step_name}")
        if event.message:
            line.append(f": {' '.join(event.message.split())}")
        out = console()
        out.print(line, soft_wrap=True)
        if self._stacktraces and event.stacktrace:
            out.print(Text(event.stacktrace.rstrip(), style="dim"), soft_wrap=True)
