"""`perdure up --reload`: the engine stays, and each save brings new handlers.

The new code is loaded beside the old, which serves until the new one can: no request meets a closed door,
and what cannot be loaded changes nothing. Then the old process drains. A step that runs records its result,
so a save costs no second model call; what waits suspends, and goes on with the new code. Restarting the
engine with its sockets kept was rejected: whoever waits for a result would have lost their connection.
"""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import Change, PythonFilter, awatch

from perdure.cli.banner import print_banner
from perdure.cli.handler_process import HandlerProcess
from perdure.cli.logs import HandlerLogs
from perdure.cli.target import Target
from perdure.cli.terminal import tell
from perdure.engine.server import EngineServer
from perdure.engine.transport.http import HttpTransport
from perdure.errors import CommandError, DiscoveryFailed

if TYPE_CHECKING:
    from perdure.engine.runtime.options import EngineOptions
    from perdure.engine.storage.deployments import Deployment


async def up_reloading(target: Target, options: EngineOptions, logs: HandlerLogs) -> None:
    """Run until a signal. Raises what EngineServer raises; CommandError if the folder cannot be watched."""
    async with ReloadedHandlers(target, logs) as handlers, EngineServer(options) as engine:
        following = asyncio.create_task(handlers.follow(engine))
        stopped = asyncio.create_task(engine.run_until_stopped())
        await asyncio.wait((following, stopped), return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            following.result()
        following.cancel()


class ReloadedHandlers:
    """TARGET's handlers, in the process of the newest code that could be loaded."""

    def __init__(self, target: Target, logs: HandlerLogs) -> None:
        self._target = target
        self._logs = logs
        self.folder = target.file.parent if target.file is not None else Path.cwd()
        self._current: HandlerProcess | None = None
        self._loading: asyncio.Task[None] | None = None
        self._is_announced = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ReloadedHandlers:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """The engine has cut what ran: nothing is left to be recorded."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._current is not None:
            await self._current.kill()

    async def follow(self, engine: EngineServer) -> None:
        """Load TARGET now, and again whenever a Python file below its folder changes."""
        self._load(engine, set())
        try:
            async for changes in awatch(self.folder, watch_filter=PythonFilter()):
                self._load(engine, {Path(path) for change, path in changes if change is not Change.deleted})
        except OSError as error:
            raise CommandError(f"cannot watch {self.folder}: {error}") from error

    def _load(self, engine: EngineServer, changed: set[Path]) -> None:
        abandoned = self._loading
        if abandoned is not None:
            abandoned.cancel()  # a newer save makes it useless, and it may hang
        self._loading = self._spawn(self._replace(engine, changed, abandoned))

    async def _replace(
        self, engine: EngineServer, changed: set[Path], abandoned: asyncio.Task[None] | None
    ) -> None:
        if abandoned is not None:
            await asyncio.wait((abandoned,))
        _forget_bytecode(changed)
        began = time.monotonic()
        try:
            new = await HandlerProcess.start(self._target.text, self._logs)
            try:
                in_flight = _in_flight(engine)
                deployment, resumed = await engine.engine.serve_app(HttpTransport(new.url), self._target.text)
            except BaseException:
                await new.kill()
                raise
        except (CommandError, DiscoveryFailed, OSError) as error:
            then = "waiting for the next save" if self._current is None else "the code of before goes on"
            tell(f"{error}; {then}")
            return
        old, self._current = self._current, new
        self._spawn(self._tell_its_end(new))
        if old is not None:
            self._spawn(old.stop())
        if self._is_announced:
            tell(f"reloaded in {time.monotonic() - began:.1f}s, {in_flight}")
        else:
            self._banner(engine, deployment, resumed)

    async def _tell_its_end(self, process: HandlerProcess) -> None:
        code = await process.ended()
        if process is self._current:
            self._current = None
            await process.kill()  # what it started
            tell(f"the process of the handlers ended with {code}; waiting for the next save")

    def _banner(self, engine: EngineServer, deployment: Deployment, resumed: int) -> None:
        self._is_announced = True
        print_banner(
            target=self._target.text,
            manifest=deployment.manifest,
            ingress_url=engine.ingress_url,
            admin_url=engine.admin_url,
            data_dir=engine.options.data_dir,
            resumed=resumed,
            public_key=engine.engine.registry.public_key,
            watched=self.folder,
        )

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _forget_bytecode(changed: set[Path]) -> None:
    """It is known by the size of its source and the second of the save: a second may have two saves."""
    for path in changed:
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


def _in_flight(engine: EngineServer) -> str:
    store = engine.engine.store
    count = sum(len(store.invocations.unfinished_ids(name)) for name in store.deployments.service_names())
    return f"{count or 'no'} {'invocation' if count == 1 else 'invocations'} in flight"
