"""The engine's side: child processes that run queries, started when somebody asks.

A process, and not a thread of the engine's: DataFusion's Python package has no way to stop a query, a thread
would take turns with the engine for the interpreter, and 150 MB of libraries stay out of the engine.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from perdure.errors import RequestError

PROCESSES_MAX = 2
OF_PEOPLE_MAX = 1
"""Of them; what a person asks may be heavy, and must not keep pages waiting that ask for little and often."""
TIME_LIMIT_S = 30.0
TIMED_OUT = 124
"""Exit code of a process whose query took too long."""
IDLE_S = 60.0
"""A process that nobody asks for so long ends."""


class QueryProcesses:
    """`async with QueryProcesses(path) as queries: await queries.run(sql, as_json=True)`."""

    def __init__(self, path: Path, time_limit_s: float = TIME_LIMIT_S, idle_s: float = IDLE_S) -> None:
        self._command = (
            sys.executable,
            "-m",
            "perdure.engine.introspection.worker",
            str(path),
            str(time_limit_s),
        )
        self._time_limit_s = time_limit_s
        self._idle_s = idle_s
        self._turn = asyncio.Semaphore(PROCESSES_MAX)
        self._turn_of_people = asyncio.Semaphore(OF_PEOPLE_MAX)
        self._idle: list[asyncio.subprocess.Process] = []
        self._all: set[asyncio.subprocess.Process] = set()
        self._expiry: asyncio.TimerHandle | None = None
        self._endings: set[asyncio.Task[int]] = set()
        self._stopped = False

    async def __aenter__(self) -> QueryProcesses:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.stop()
        await asyncio.gather(*self._endings)

    def stop(self) -> None:
        """End what runs; its askers, and all that come after, hear that the engine stops."""
        self._stopped = True
        self._cancel_expiry()
        self._idle.clear()
        for process in list(self._all):
            self._end(process)

    async def run(self, sql: str, *, as_json: bool, by_person: bool = True) -> bytes:
        """The result of a query, as JSON rows or as an Arrow stream. by_person: see OF_PEOPLE_MAX.

        Raises:
            RequestError: 400 for what is wrong with the query, and when it takes too long; 503 once `stop`
                was called; 500 for the rest.
        """
        async with self._turn_of_people if by_person else nullcontext(), self._turn:
            if self._stopped:
                raise _stopping()
            self._cancel_expiry()
            process = self._take_idle() or await self._start()
            healthy = False
            try:
                head, body = await self._ask(process, {"query": sql, "json": as_json})
                healthy = "last" not in head
            finally:  # also when we are cancelled: an answer that nobody reads would be the next one's
                if healthy:
                    self._idle.append(process)
                    self._expire_later()
                else:
                    self._end(process)
        if head["status"] != 200:
            raise RequestError(head["status"], body.decode())
        return body

    def _take_idle(self) -> asyncio.subprocess.Process | None:
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
            self._end(process)  # the system took it, for its memory say
        return None

    async def _start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._all.add(process)
        return process

    async def _ask(
        self, process: asyncio.subprocess.Process, request: dict[str, object]
    ) -> tuple[dict[str, Any], bytes]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        try:
            head = json.loads(await process.stdout.readline())
            return head, await process.stdout.readexactly(head["bytes"])
        except (ValueError, ConnectionError, asyncio.IncompleteReadError):
            code = await process.wait()
            if self._stopped:
                raise _stopping() from None
            if code == TIMED_OUT:
                raise RequestError(
                    400, f"the query took longer than {self._time_limit_s:g} s: add a WHERE or a LIMIT"
                ) from None
            raise RequestError(500, f"the query's process ended with {code}") from None

    def _end(self, process: asyncio.subprocess.Process) -> None:
        self._all.discard(process)
        if process.returncode is None:
            process.kill()
        ending = asyncio.ensure_future(process.wait())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    def _expire_later(self) -> None:
        self._cancel_expiry()
        self._expiry = asyncio.get_running_loop().call_later(self._idle_s, self._expire)

    def _cancel_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _expire(self) -> None:
        while self._idle:
            self._end(self._idle.pop())


def _stopping() -> RequestError:
    return RequestError(503, "the engine is stopping")
