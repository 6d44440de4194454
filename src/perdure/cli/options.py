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


def _http_url(param: typer.CallbackParam, value: str | None) -> str | None:
    if value is None:
        return None
    if not value.startswith(("http://", "https://")) or ";" in value:
        raise CommandError(f"{param.opts[0]} {value!r} is not a URL: write http://engine.internal:8080, say")
    return value.rstrip("/")


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

ConcurrencyOption = Annotated[
    int,
    typer.Option(
        "--concurrency",
        envvar="PERDURE_CONCURRENCY",
        metavar="N",
        min=1,
        help="Attempts that run at once; more wait for a place. Suspended invocations need none.",
    ),
]

JournalOption = Annotated[
    int,
    typer.Option(
        "--journal-mib-max",
        envvar="PERDURE_JOURNAL_MIB_MAX",
        metavar="MIB",
        min=1,
        help="What one invocation's journal may hold; one that outgrows it is paused.",
    ),
]

CorsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--cors-origin",
        envvar="PERDURE_CORS_ORIGINS",
        metavar="ORIGIN",
        help="A web page's origin that may call the ingress; may be repeated, and * is all of them. "
        "Default: all while the ingress is on a loopback address, else none.",
    ),
]

IdentityKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--request-identity-key",
        envvar="PERDURE_REQUEST_IDENTITY_KEY",
        metavar="FILE",
        dir_okay=False,
        help="A PEM file with the Ed25519 key that signs requests to remote deployments.",
        show_default=False,
    ),
]

AdvertisedIngressOption = Annotated[
    str | None,
    typer.Option(
        "--advertised-ingress",
        envvar="PERDURE_ADVERTISED_INGRESS",
        metavar="URL",
        callback=_http_url,
        help="The ingress as deployments in other processes reach it, to publish into streams. "
        "Default: http:// and the --ingress address.",
        show_default=False,
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print the admin API's answer as JSON.")]

INGRESS_DEFAULT = "127.0.0.1:8080"
ADMIN_DEFAULT = "127.0.0.1:9070"
DATA_DIR_DEFAULT = Path("./perdure-data")
CONCURRENCY_DEFAULT = 1_000
JOURNAL_MIB_DEFAULT = 256
MIB = 1024 * 1024
