"""`perdure serve TARGET`: the service endpoint that a restate-server calls over HTTP/2."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.logs import HandlerLogs, LogFormatOption, LogLevelOption
from perdure.cli.options import TargetArgument, split_address
from perdure.cli.target import Target
from perdure.errors import CommandError, PerdureError

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

    from granian.server import MPServer

    from perdure.cli.service_endpoint import WorkerReport

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}

# restate-server opens a connection for every 128 attempts, other engines may not; and the default of
# granian, 200 streams, would then be a limit that no message explains.
_STREAMS_PER_CONNECTION_MAX = 10_000
_REQUESTS_PER_WORKER_MAX = 10_000

# restate-server replays a journal as one small frame for each entry. The HTTP/2 library counts unread small
# frames against half of this window, 256 bytes each, and cuts the connection beyond: with granian's 1 MiB
# after some 2,190 entries, at every attempt anew. What is buffered is bounded by each stream's own window.
_CONNECTION_WINDOW_BYTES = 1024 * 1024 * 1024

_REPORT_TIMEOUT_S = 1.0
_LISTENS_WITHIN_S = 5.0

# By default granian logs to standard output, which belongs to the user's handlers.
_LOG_TO_STDERR = {
    name: {"formatter": "generic", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
    for name in ("console", "access")
}


def serve(
    target: TargetArgument,
    bind: Annotated[
        str,
        typer.Option(
            envvar="PERDURE_BIND",
            metavar="HOST:PORT",
            help="Where the server reaches this endpoint; 0.0.0.0:9080: from anywhere, port 0: a free one.",
        ),
    ] = "127.0.0.1:9080",
    workers: Annotated[
        int, typer.Option(envvar="PERDURE_WORKERS", min=1, help="Processes that share the port.")
    ] = 1,
    drain_s: Annotated[
        int,
        typer.Option(
            envvar="PERDURE_DRAIN_S",
            min=1,
            help="Seconds that a running step has to record its result when this process is told to stop.",
        ),
    ] = 10,
    metrics: Annotated[
        str | None,
        typer.Option(
            envvar="PERDURE_METRICS",
            metavar="HOST:PORT",
            help="Where Prometheus finds the metrics of this process, at /metrics. For one worker.",
            show_default=False,
        ),
    ] = None,
    log_format: LogFormatOption = None,
    log_level: LogLevelOption = None,
) -> None:
    """Serve TARGET over HTTP/2 for a restate-server to call; register it there once.

    Example: perdure serve agent.py --bind 0.0.0.0:9080 --workers 2
    """
    parsed = Target.parse(target)
    host, port = claim(bind, "--bind")
    if metrics is not None and workers > 1:
        raise CommandError(
            "--metrics is of one process, and there would be several: leave --workers out, and start this "
            "command several times, each with an address of its own"
        )
    scraped_at = None if metrics is None else claim(metrics, "--metrics")

    def announce(targets: tuple[str, ...]) -> None:
        url = url_of(host, port)
        served = f"{', '.join(targets)} of {target}" if targets else f"{target}, which has identity keys,"
        print(f"serving {served} at {url}", file=sys.stderr)
        print(f"register it once:  perdure deployments register {url}", file=sys.stderr, flush=True)

    logs = HandlerLogs(log_format, log_level)
    serve_workers(
        parsed, host, port, announce, workers=workers, drain_s=drain_s, logs=logs, metrics=scraped_at
    )


def serve_workers(
    target: Target,
    host: str,
    port: int,
    announce: Callable[[tuple[str, ...]], None],
    *,
    workers: int,
    drain_s: int,
    logs: HandlerLogs,
    metrics: tuple[str, int] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. `announce` is told once, in a thread, which targets all workers serve.

    Raises CommandError if TARGET cannot be served, PerdureError when a worker process dies.
    """
    from perdure.cli.service_endpoint import load_endpoint

    reports = _reports()
    granian = _granian(host, port, workers, drain_s)
    failures: list[str] = []
    announcer = threading.Thread(
        target=_announce, args=(reports, workers, host, port, announce, failures), daemon=True
    )
    announcer.start()
    try:
        loader = partial(load_endpoint, target, reports, logs, metrics)
        granian.serve(target_loader=loader, wrap_loader=False)
    except SystemExit:
        # granian's word for: a worker ended by itself. Its report may still be on the way.
        announcer.join(timeout=_REPORT_TIMEOUT_S)
        if failures:
            raise CommandError(failures[0]) from None
        raise PerdureError("a worker process died, and the others were stopped") from None


def claim(address: str, option: str) -> tuple[str, int]:
    """The IP address and port to serve on, port 0 made real. Raises CommandError if they are taken.

    Workers bind with SO_REUSEPORT, so a second `serve` on the same port would not fail by itself: it
    would silently get half of the connections.
    """
    host, port = split_address(address, option)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, place = min(found)  # IPv4 before IPv6, for `localhost`
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            name = probe.getsockname()
            return name[0], name[1]
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = f"{host}:{port} is in use by another program: choose another with {option}"
        else:
            problem = (
                f"cannot listen on {host}:{port}: {error.strerror or error}; choose another with {option}"
            )
        raise CommandError(problem) from error


def _reports() -> SimpleQueue[WorkerReport]:
    # granian spawns where Python's default is forkserver; locks do not pass from one method to another
    method = multiprocessing.get_start_method()
    return multiprocessing.get_context("fork" if method == "fork" else "spawn").SimpleQueue()


def _granian(host: str, port: int, workers: int, drain_s: int) -> MPServer:
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP2Settings
    from granian.log import LogLevels
    from granian.server import MPServer

    server = MPServer(
        target="",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        workers_kill_timeout=drain_s,
        http=HTTPModes.auto,  # HTTP/2 by prior knowledge for the engine, HTTP/1.1 for curl and probes
        http2_settings=HTTP2Settings(
            max_concurrent_streams=_STREAMS_PER_CONNECTION_MAX,
            initial_connection_window_size=_CONNECTION_WINDOW_BYTES,
        ),
        backpressure=_REQUESTS_PER_WORKER_MAX,
        websockets=False,
        log_level=LogLevels.error,
        log_dictconfig={"handlers": _LOG_TO_STDERR},
    )
    # Set after granian has configured it, for this process only: what goes wrong with a worker is told
    # by `serve`, in one line.
    logging.getLogger("_granian").setLevel(logging.CRITICAL + 1)
    return server


def _announce(
    reports: SimpleQueue[WorkerReport],
    workers: int,
    host: str,
    port: int,
    announce: Callable[[tuple[str, ...]], None],
    failures: list[str],
) -> None:
    targets: tuple[str, ...] = ()
    for _ in range(workers):
        report = reports.get()
        if report.failure is not None:
            failures.append(report.failure)
            return
        targets = report.targets
    _wait_until_listening(host, port)
    announce(targets)


def _wait_until_listening(host: str, port: int) -> None:
    """A worker listens a moment after its app has started, and who is told of the address comes at once."""
    deadline = time.monotonic() + _LISTENS_WITHIN_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port)).close()
            return
        except OSError:
            time.sleep(0.01)


def url_of(host: str, port: int) -> str:
    reachable = _ANY_ADDRESS.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
