"""The options that choose invocations, one set for every command that takes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.completion import complete_handler, complete_key, complete_service
from perdure.errors import CommandError

if TYPE_CHECKING:
    from perdure.inspection.invocation_list import InvocationFilter

_AGO = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Status(StrEnum):
    """What `--status` can ask for."""

    SCHEDULED = "scheduled"
    PENDING = "pending"
    RUNNING = "running"
    BACKING_OFF = "backing-off"
    SUSPENDED = "suspended"
    PAUSED = "paused"
    COMPLETED = "completed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say. Times are as they were written, and not yet read."""

    status: frozenset[str]
    service: str | None
    handler: str | None
    key: str | None
    text: str | None
    since: str | None
    until: str | None

    @property
    def is_everything(self) -> bool:
        return not self.status and not any(
            (self.service, self.handler, self.key is not None, self.text, self.since, self.until)
        )

    def filter(self, among: frozenset[str] | None = None) -> InvocationFilter:
        """`among`: the only statuses that come into question. Raises CommandError for a time that is none."""
        from perdure.inspection.invocation_list import InvocationFilter

        status = self.status
        if Status.COMPLETED in status:
            status = status - {Status.COMPLETED} | {Status.SUCCEEDED, Status.FAILED}
        if among is not None:
            status = status & among if status else among
        return InvocationFilter(
            status=status or None,
            service=self.service,
            handler=self.handler,
            key=self.key,
            text=self.text,
            created_after=read_time("--since", self.since),
            created_before=read_time("--until", self.until),
        )


def filter_options(
    status: Annotated[
        list[Status] | None,
        typer.Option(help="Those in this status; may be repeated. `completed`: succeeded and failed."),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Those of this service.", autocompletion=complete_service),
    ] = None,
    handler: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Those of this handler.", autocompletion=complete_handler),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Those of the virtual object or workflow with this key.",
            autocompletion=complete_key,
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Those with this in their id, target or idempotency key."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Created since then: 10m, 2h, 3d ago, or 2026-11-23T07:00."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Created before then, written as for --since.")
    ] = None,
) -> Wanted:
    """For `composed(wanted=filter_options)`."""
    return Wanted(frozenset(map(str, status or ())), service, handler, key, text, since, until)


def read_time(option: str, text: str | None) -> datetime | None:
    """What a person wrote for a time, in UTC. Raises CommandError."""
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)  # without an offset it is local
    except ValueError:
        raise CommandError(
            f"{option} {text!r} is no time: write how long ago (30s, 10m, 2h, 3d, 1w) or 2026-11-23T07:00"
        ) from None
