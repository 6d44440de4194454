"""The handlers of `perdure up --reload`: a process of their own, so that new code can take over from old.

One socket joins the two processes. The child says one line on it, what came of loading TARGET; the parent
says nothing, and closes it when the child shall stop. A parent that was killed closes it too.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated

import typer

from perdure.cli.exit_codes import FAILED
from perdure.cli.logs import HandlerLogs, LogFormatOption, LogLevelOption
from perdure.cli.options import TargetArgument
from perdure.errors import CommandError, PerdureError

DRAIN_S = 10
"""A step that runs when its code is replaced has so long to record its result."""
_GRACE_S = 3.0


class HandlerProcess:
    """TARGET's handlers, served at `url` until `stop` or `kill`."""

    def __init__(self, process: asyncio.subprocess.Process, line: asyncio.StreamWriter, url: str) -> None:
        self.url = url
        self._process = process
        self._line = line

    @classmethod
    async def start(cls, target: str, logs: HandlerLogs) -> HandlerProcess:
        """Load TARGET and serve it. Raises CommandError: why that cannot be."""
        ours, theirs = socket.socketpair()
        with theirs:
            number = str(theirs.fileno())
            # -P: the folder that TARGET names comes first on its path, and not the current one.
            # A session of its own: Ctrl-C is for the engine, which then stops both in order.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "perdure", "handlers", target, number, *_log_options(logs)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        reader, line = await asyncio.open_connection(sock=ours)
        started = cls(process, line, "")
        try:
            said = await reader.readline()
            report = json.loads(said) if said else {"failure": "its process ended while it was loaded"}
            if "failure" in report:
                raise CommandError(report["failure"])
        except BaseException:
            await started.kill()
            raise
        started.url = report["url"]
        return started

    async def ended(self) -> int:
        """Its exit code, once it has ended; negative for a signal."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Let running steps record their results, then end it: what waits suspends at once."""
        self._line.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), DRAIN_S + _GRACE_S)
        await self.kill()

    async def kill(self) -> None:
        """End it and all that it started, now."""
        self._line.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


def handlers(
    target: TargetArgument,
    line: Annotated[int, typer.Argument(metavar="FD", help="A socket to the engine.")],
    log_format: LogFormatOption = None,
    log_level: LogLevelOption = None,
) -> None:
    """Serve TARGET to the engine that started this process."""
    from perdure.cli.serve import claim, serve_workers, url_of
    from perdure.cli.target import Target

    with socket.socket(fileno=line) as engine:
        threading.Thread(target=_stop_when_closed, args=(engine,), daemon=True).start()
        try:
            host, port = claim("127.0.0.1:0", "--bind")
            serve_workers(
                Target.parse(target),
                host,
                port,
                lambda targets: _say(engine, url=url_of(host, port)),
                workers=1,
                drain_s=DRAIN_S,
                logs=HandlerLogs(log_format, log_level, engine_tells_failures=True),
            )
        except PerdureError as error:  # told by the engine, or by the end of this process
            _say(engine, failure=str(error))
            raise typer.Exit(FAILED) from error


def _log_options(logs: HandlerLogs) -> Iterator[str]:
    if logs.log_format is not None:
        yield f"--log-format={logs.log_format}"
    if logs.level is not None:
        yield f"--log-level={logs.level}"


def _say(engine: socket.socket, **report: str) -> None:
    with suppress(OSError):  # the engine is gone
        engine.sendall(json.dumps(report).encode() + b"\n")


def _stop_when_closed(engine: socket.socket) -> None:
    with suppress(OSError):
        engine.recv(1)
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGTERM)  # it waits for a lock, which only a signal to itself ends
