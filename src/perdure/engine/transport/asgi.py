"""Handlers in this process: a restate ASGI app, called without a socket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from perdure.engine.transport.port import Conversation, Discovered, Listener
from perdure.errors import DiscoveryFailed, DiscoveryRefused
from perdure.protocol.discovery import ACCEPT

Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

_EOF: Message = {"type": "http.request", "body": b"", "more_body": False}
_DISCONNECT: Message = {"type": "http.disconnect"}


class AsgiTransport:
    """A restate app (`restate.app([...])`) on the engine's own event loop."""

    is_local = True

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def discover(self) -> Discovered:
        """Ask the app for its manifest, as a runtime does."""
        said: list[Message] = []

        async def receive() -> Message:
            return _EOF

        async def send(message: Message) -> None:
            said.append(message)

        try:
            await self._app(_scope("GET", "/discover", {"accept": ACCEPT}), receive, send)
        except Exception as error:
            raise DiscoveryFailed(f"the app did not answer discovery: the app raised {error!r}") from error
        status, headers, body = _response(said)
        if status == 401:
            raise DiscoveryRefused(
                "the app has identity keys: take them out, for nobody but this process can call it"
            )
        if status != 200:
            raise DiscoveryFailed(
                f"the app did not answer discovery: the app answered with HTTP status {status}"
            )
        return Discovered(body, headers.get("x-restate-server"))

    def open(
        self,
        service: str,
        handler: str,
        protocol_version: int,
        headers: Mapping[str, str],
        listener: Listener,
    ) -> Conversation:
        content_type = f"application/vnd.restate.invocation.v{protocol_version}"
        scope = _scope("POST", f"/invoke/{service}/{handler}", {**headers, "content-type": content_type})
        return AsgiConversation(self._app, scope, listener)


def _response(said: list[Message]) -> tuple[int | None, dict[str, str], bytes]:
    """(status, headers, body) of an answer that is complete."""
    start = next((m for m in said if m["type"] == "http.response.start"), None)
    body = b"".join(m.get("body", b"") for m in said if m["type"] == "http.response.body")
    if start is None:
        return None, {}, body
    return start["status"], {k.decode().lower(): v.decode() for k, v in start.get("headers", ())}, body


class AsgiConversation:
    """One request to the app, in a task of its own."""

    def __init__(self, app: AsgiApp, scope: Message, listener: Listener) -> None:
        self._listener: Listener | None = listener
        self._inbox: deque[Message] = deque()
        self._arrival = asyncio.Event()
        self._eof_written = False
        self._error: str | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(app, scope))

    def write(self, data: bytes) -> None:
        if not self._eof_written:
            self._put({"type": "http.request", "body": data, "more_body": True})

    def write_eof(self) -> None:
        if not self._eof_written:
            self._eof_written = True
            self._put(_EOF)

    def abort(self) -> None:
        self._listener = None
        self._eof_written = True
        # Both are needed. The disconnect reaches code that waits for the journal; the cancellation reaches
        # code that awaits something of its own, and alone would leave the SDK waiting for our EOF.
        self._put(_DISCONNECT)
        self._task.cancel()

    def _put(self, message: Message) -> None:
        self._inbox.append(message)
        self._arrival.set()

    async def _run(self, app: AsgiApp, scope: Message) -> None:
        try:
            await app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            if self._listener is not None:  # not our abort: user code cancelled its own task
                self._error = "the handler's task was cancelled"
        except Exception as error:
            self._error = f"the app raised {error!r}"
        finally:
            listener, self._listener = self._listener, None
            if listener is not None:
                listener.closed(self._error)

    async def _receive(self) -> Message:
        while not self._inbox:
            self._arrival.clear()
            await self._arrival.wait()
        return self._inbox.popleft()

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] != 200:
                self._error = f"the app answered with HTTP status {message['status']}"
        elif message["type"] == "http.response.body" and self._error is None:
            body = message.get("body", b"")
            if body and self._listener is not None:
                self._listener.received(body)


def _scope(method: str, path: str, headers: Mapping[str, str]) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "2",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": None,
        "server": None,
    }
