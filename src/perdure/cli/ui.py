"""`perdure ui`: the web UI in a process of its own, for any engine's admin API, restate-server's too."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from typing import Annotated

import typer

from perdure.cli.options import ADMIN_DEFAULT, AdminUrlOption


def ui(
    admin: AdminUrlOption = ADMIN_DEFAULT,
    bind: Annotated[
        str,
        typer.Option(envvar="PERDURE_UI_BIND", metavar="HOST:PORT", help="Where the UI listens."),
    ] = "127.0.0.1:9071",
) -> None:
    """Serve the web UI for the engine at --admin: a remote one, or a restate-server.

    Example: perdure ui --admin http://restate:9070
    """
    asyncio.run(_ui(admin, bind))


async def _ui(admin: str, bind_address: str) -> None:
    from perdure.engine.http_server import HttpServer, bind, is_loopback_address
    from perdure.inspection.admin_api import AdminApi
    from perdure.ui.app import PREFIX, mounted

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(AdminApi(admin))
        socket = stack.enter_context(bind(bind_address, "--bind"))
        app = mounted(api, is_loopback=is_loopback_address(socket))
        server = await stack.enter_async_context(HttpServer(app, socket))
        print(f"web UI at {server.url}{PREFIX}/ for the engine at {api.url}", file=sys.stderr, flush=True)
        await stopped.wait()
