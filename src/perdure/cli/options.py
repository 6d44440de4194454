"""The options that several commands share. Each can be given by environment too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perdure.errors import CommandError

PORT_MAX = 65535


def split_address(text: str, option: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` as (host, port). Raises CommandError that names the option."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > PORT_MAX:
        raise CommandError(
            f"{option} {text!r} is not an address: write host:port, for example 127.0.0.1:8080"
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def _address(param: typer.CallbackParam, value: str) -> str:
    split_address(value, param.opts[0])
    return value


TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="Your restate app: module:attr, file.py or file.py:attr; attr defaults to app.",
        show_default=False,
    ),
]

IngressOption = Annotated[
    str,
    typer.Option(
        "--ingress",
        envvar="PERDURE_INGRESS",
        metavar="HOST:PORT",
        callback=_address,
        help="Where handlers are called over HTTP. Port 0 picks a free one.",
    ),
]

AdminOption = Annotated[
    str,
    typer.Option(
        "--admin",
        envvar="PERDURE_ADMIN",
        metavar="HOST:PORT",
        callback=_address,
        help="Where the admin API listens. Port 0 picks a free one.",
    ),
]

AdminUrlOption = Annotated[
    str,
    typer.Option(
        "--admin",
        envvar="PERDURE_ADMIN",
        metavar="HOST:PORT|URL",
        help="The admin API of the engine to talk to.",
    ),
]

DataDirOption = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        envvar="PERDURE_DATA_DIR",
        metavar="DIR",
        file_okay=False,
        help="Where the journal is kept. One engine at a time.",
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print the admin API's answer as JSON.")]

INGRESS_DEFAULT = "127.0.0.1:8080"
ADMIN_DEFAULT = "127.0.0.1:9070"
DATA_DIR_DEFAULT = Path("./perdure-data")
