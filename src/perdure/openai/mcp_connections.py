"""Connections to MCP servers. They belong to the process; runs borrow them.

A connection that we open lives in a task of its own on the real event loop, for what the `mcp` package opens
must be closed by the task that opened it. Rules:

* A server that the user's code has connected is used as it is, and stays theirs to close.
* Any other is opened by the first request, so a replay that makes no request opens nothing.
* A run holds each connection that it has used until its attempt is over: a server may keep state in it, as
  a browser does. The connection of a run that said `connect()` or `async with` is closed when the run lets
  go of it. One that nobody asked for stays open for `KEPT_OPEN_S` more, for the next run.
* A connection that was lost is opened again by the next request.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from agents import UserError
from agents.mcp import MCPServer

from perdure.durable import failures

T = TypeVar("T")

KEPT_OPEN_S = 60.0

_logger = logging.getLogger(__name__)

# The SDK turns HTTP errors into a UserError, and drops the error itself where it would show a URL.
_MAY_PASS = ("Could not reach", "Connection lost", "Connection timeout", "HTTP error 5", "HTTP error 429")
_TIMED_OUT, _CLOSED = -32001, -32000  # codes of the `mcp` package's own errors

_connected: weakref.WeakSet[MCPServer] = weakref.WeakSet()
_connections: weakref.WeakKeyDictionary[MCPServer, Connection] = weakref.WeakKeyDictionary()


class Run(Protocol):
    """The attempt of a run, which tells when it is over."""

    def at_end(self, callback: Callable[[], object]) -> None: ...


class Transport(Protocol):
    """What only the SDK and the `mcp` package know of a server's connection."""

    any_task_may_close: bool

    def is_lost(self, server: MCPServer, error: Exception | None = None) -> bool:
        """Whether the peer is gone, as far as the connection itself, or the error of a request, tells."""

    def name(self, server: MCPServer) -> str:
        """The server's name without secrets."""


def note(server: MCPServer, *, connected: bool) -> None:
    """Whoever connects a server or cleans it up, on the real loop, says so here."""
    (_connected.add if connected else _connected.discard)(server)


def is_connected(server: MCPServer) -> bool:
    """Whether anybody has connected it."""
    return server in _connected or getattr(server, "session", None) is not None


def of(server: MCPServer, transport: Transport) -> Connection:
    """The connection of a server, open or not."""
    if server not in _connections:
        _connections[server] = Connection(server, transport)
    return _connections[server]


class Connection:
    """One server's connection, as often as it is opened."""

    def __init__(self, server: MCPServer, transport: Transport) -> None:
        self._server = weakref.ref(server)  # it is the key of a weak dictionary, and this the value
        self._transport = transport
        self._last: _Opening | None = None
        self._held_by: set[Run] = set()
        self._entered_by: set[Run] = set()

    def enter(self, run: Run) -> None:
        """The run's code said `connect()`. It is opened when it is needed."""
        self._entered_by.add(run)
        self._hold(run)

    def release(self, run: Run) -> None:
        """The run's code said `cleanup()`, or its attempt is over."""
        entered = run in self._entered_by
        self._held_by.discard(run)
        self._entered_by.discard(run)
        if self._held_by or self._last is None:
            return
        if entered:
            self._last.over.set()
        else:
            self._last.loop.call_later(KEPT_OPEN_S, self._close_if_unused, self._last)

    async def request(self, run: Run, call: Callable[[], Awaitable[T]], *, repeatable: bool) -> T:
        """Await `call()` on the real loop, with the server connected.

        repeatable: call once more if the connection is lost meanwhile. Otherwise the error leaves open
            whether the server has seen the request; only one that is known to be lost before is opened
            again.
        """
        self._hold(run)
        opening = await self._opened()
        try:
            return await call()
        except Exception as error:
            if not self._transport.is_lost(self._the_server(), error):
                raise
            if opening is not None:
                opening.over.set()
            if not repeatable:
                raise
        await self._opened()
        return await call()

    async def _opened(self) -> _Opening | None:
        """Wait until it is open. None if it is the user's own."""
        server = self._the_server()
        last = self._last if self._last is not None and not self._last.task.done() else None
        lost = is_connected(server) and self._transport.is_lost(server)
        if last is None and is_connected(server) and not (lost and self._transport.any_task_may_close):
            return None
        if last is not None and last.loop is not asyncio.get_running_loop():
            raise UserError(
                f"MCP server {self._transport.name(server)!r} is connected on another event loop. Make a "
                "server object for each loop"
            )
        if last is None or last.over.is_set() or (last.opened.done() and lost):
            last = self._last = _Opening(server, self._transport.name(server), last)
        await asyncio.shield(last.opened)
        return last

    def _hold(self, run: Run) -> None:
        if run not in self._held_by:
            self._held_by.add(run)
            run.at_end(lambda: self.release(run))

    def _close_if_unused(self, opening: _Opening) -> None:
        if not self._held_by:
            opening.over.set()

    def _the_server(self) -> MCPServer:
        server = self._server()
        assert server is not None, "who asks for a connection holds the server"
        return server


class _Opening:
    """One opening of a connection, and the task that it lives in.

    opened: done when requests may be made; its error says why they may not.
    over: set it to have it closed.
    """

    def __init__(self, server: MCPServer, name: str, previous: _Opening | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self.loop.create_future()
        self.over = asyncio.Event()
        if previous is not None:
            previous.over.set()
        # in contextvars of its own: it outlives the run that happens to be the first
        self.task = self.loop.create_task(
            self._live(server, name, previous), name=f"mcp {name}", context=contextvars.Context()
        )

    async def _live(self, server: Any, name: str, previous: _Opening | None) -> None:
        if previous is not None:
            await asyncio.wait([previous.task])
        try:
            if is_connected(server):  # by the user's code, and lost
                await server.cleanup()
            await server.connect()
            if not self.opened.done():
                self.opened.set_result(None)
            await self.over.wait()
        except Exception as error:
            self.opened.set_exception(_told(name, error))
            self.opened.exception()  # seen: who waited for it may be gone
        finally:
            self.opened.cancel()
            try:
                await server.cleanup()
            except Exception as error:
                _logger.warning("MCP server %r was not closed cleanly: %r", name, error)


def _told(name: str, error: Exception) -> Exception:
    """An error of `connect()`. The SDK says which server it is, but not for every error."""
    if isinstance(error, UserError):
        return error
    cause: BaseException = error
    while isinstance(cause, BaseExceptionGroup) and len(cause.exceptions) == 1:
        cause = cause.exceptions[0]
    told = UserError(f"Failed to connect to MCP server {name!r}: {str(cause) or repr(cause)}")
    told.__cause__ = cause
    return told


def may_pass(error: BaseException) -> bool:
    """Whether a request may succeed later: what any step is tried again for, also as the SDK's own error, a
    time-out, and a connection that was lost twice.
    """
    return (
        failures.is_transient(error)
        or getattr(error, "code", None) in (_TIMED_OUT, _CLOSED)
        or (isinstance(error, UserError) and any(words in str(error) for words in _MAY_PASS))
    )
