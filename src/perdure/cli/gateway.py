"""`perdure gateway`: streams over HTTP for a restate-server, and the rest of its ingress with them."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Annotated

import typer

from perdure.cli.logs import LogFormatOption, LogLevelOption, log_to_stderr
from perdure.cli.serve import claim, url_of
from perdure.errors import EngineUnreachable, RequestError

HOUR_S = 3600


def gateway(
    restate: Annotated[
        str,
        typer.Option(envvar="PERDURE_RESTATE", metavar="URL", help="The ingress of the restate-server."),
    ] = "http://127.0.0.1:8080",
    restate_admin: Annotated[
        str,
        typer.Option(envvar="PERDURE_RESTATE_ADMIN", metavar="URL", help="Its admin API."),
    ] = "http://127.0.0.1:9070",
    bind: Annotated[
        str, typer.Option(envvar="PERDURE_GATEWAY_BIND", metavar="HOST:PORT", help="Where clients come.")
    ] = "127.0.0.1:8088",
    object_bind: Annotated[
        str,
        typer.Option(
            envvar="PERDURE_OBJECT_BIND",
            metavar="HOST:PORT",
            help="Where this process serves the virtual object that keeps the streams.",
        ),
    ] = "127.0.0.1:9088",
    object_url: Annotated[
        str | None,
        typer.Option(
            envvar="PERDURE_OBJECT_URL",
            metavar="URL",
            help="How the restate-server reaches that; default: as --object-bind says.",
        ),
    ] = None,
    retention_s: Annotated[
        int,
        typer.Option(
            envvar="PERDURE_STREAM_RETENTION_S",
            min=1,
            help="Seconds until a stream that grows no more is forgotten, once its invocation is over.",
        ),
    ] = 24 * HOUR_S,
    log_format: LogFormatOption = None,
    log_level: LogLevelOption = None,
) -> None:
    """Serve streams over HTTP, in front of a restate-server.

    Example: perdure gateway --restate http://restate:8080
    """
    log_to_stderr(log_format, log_level)
    host, port = claim(object_bind, "--object-bind")
    asyncio.run(
        _gateway(
            restate.rstrip("/"),
            restate_admin.rstrip("/"),
            bind,
            (host, port),
            object_url or url_of(host, port),
            timedelta(seconds=retention_s),
        )
    )


async def _gateway(
    restate_url: str,
    admin_url: str,
    bind_address: str,
    object_address: tuple[str, int],
    object_url: str,
    retention: timedelta,
) -> None:
    from perdure.engine.http_server import HttpServer, bind
    from perdure.gateway.app import gateway_app
    from perdure.gateway.door import restate_door
    from perdure.gateway.followed_streams import FollowedStreams
    from perdure.gateway.object_endpoint import object_endpoint, register
    from perdure.gateway.restate_server import RestateServer, http_client
    from perdure.gateway.stream_object import NAME, StreamObject

    async with AsyncExitStack() as stack:
        socket = stack.enter_context(bind(bind_address, "--bind"))
        server = RestateServer(restate_url, await stack.enter_async_context(http_client()))
        try:
            await server.check()
        except RequestError as error:
            raise EngineUnreachable(f"{error.message}: is --restate right?") from error
        streams = FollowedStreams(server)
        served = StreamObject(retention, server.is_over, streams.appended)
        await stack.enter_async_context(object_endpoint(served, *object_address))
        await register(admin_url, object_url)
        door = restate_door(server, admin_url, streams)
        http = await stack.enter_async_context(HttpServer(gateway_app(server, streams, door), socket))
        print(f"gateway of {restate_url} at {http.url}", file=sys.stderr)
        print(f"handlers publish with  PERDURE_STREAMS={restate_url}", file=sys.stderr)
        print(f"{NAME} is served at {object_url}, registered", file=sys.stderr, flush=True)
        await _stopped()


async def _stopped() -> None:
    """Return at SIGINT or SIGTERM. Called last: the SDK takes SIGTERM for itself when it is first asked."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
