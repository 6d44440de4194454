"""The engine behind its two doors: HTTP ingress, and the admin API with the web UI."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import FrameType

from perdure.engine.admin.app import admin_app
from perdure.engine.http_server import HttpServer, bind, is_loopback_address, url_of
from perdure.engine.ingress.app import ingress_app
from perdure.engine.introspection.processes import QueryProcesses
from perdure.engine.runtime.engine import Engine, wall_clock_ms
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.storage.connection import FILE_NAME
from perdure.engine.storage.deployments import Deployment
from perdure.engine.transport.asgi import AsgiApp, AsgiTransport
from perdure.inspection.admin_api import AdminApi
from perdure.ui import app as ui


class EngineServer:
    """`async with EngineServer(options) as server: await server.run_until_stopped()`.

    Raises on entry: DataDirLocked, StoreTooNew, StoreFailed, PortInUse, EngineError.
    """

    def __init__(self, options: EngineOptions, clock_ms: Callable[[], int] = wall_clock_ms) -> None:
        self.options = options
        self.engine = Engine(options, clock_ms)
        self.ingress_url = ""
        self.admin_url = ""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> EngineServer:
        async with AsyncExitStack() as stack:
            # Both ports before the file: a mistyped port then leaves nothing behind.
            ingress = stack.enter_context(bind(self.options.ingress, "--ingress"))
            admin = stack.enter_context(bind(self.options.admin, "--admin"))
            self.engine.ingress_url = self.options.advertised_ingress or url_of(ingress)
            engine = await stack.enter_async_context(self.engine)
            ingress_server = HttpServer(ingress_app(engine), ingress)
            queries = await stack.enter_async_context(QueryProcesses(self.options.data_dir / FILE_NAME))
            api = admin_app(engine, ingress_server.url, queries)
            shown = await stack.enter_async_context(AdminApi.of_app(api, url_of(admin)))
            is_loopback = is_loopback_address(admin)
            admin_server = HttpServer(ui.mounted(shown, is_loopback=is_loopback, beside=api), admin)
            for server in (admin_server, ingress_server):
                await stack.enter_async_context(server)
            # Both stop before either is waited for, and nobody is left waiting for a result.
            stack.callback(admin_server.stop)
            stack.callback(ingress_server.stop)
            stack.callback(engine.requests.close)
            stack.callback(queries.stop)
            self.ingress_url, self.admin_url = ingress_server.url, admin_server.url
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def serve_app(self, app: AsgiApp, name: str) -> tuple[Deployment, int]:
        """Run a restate app in this process: see `Engine.serve_app`."""
        return await self.engine.serve_app(AsgiTransport(app), name)

    async def run_until_stopped(self) -> None:
        """Return at the first SIGINT or SIGTERM; the second one kills, should a handler block the loop.

        Call it after `serve_app`: restate apps install a SIGTERM handler of their own when they are first
        asked something, and the last one installed is the one that runs.
        """
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()

        def stop(number: int, frame: FrameType | None) -> None:
            # Run by the interpreter and not by the loop, which may be blocked: the next one must get through.
            signal.signal(number, signal.SIG_DFL)
            loop.call_soon_threadsafe(stopped.set)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, stop)
        await stopped.wait()
