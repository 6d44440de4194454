"""Handlers in another process, over HTTP: `POST {uri}/invoke/{service}/{handler}`.

HTTP/2 with prior knowledge on cleartext (`perdure serve`, every Restate SDK), so that both directions flow at
once. HTTP/1.1 for platforms that have nothing else: there the request ends before the response begins, and a
handler suspends wherever it waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from pyqwest import Client, Headers, HTTPTransport, HTTPVersion, ReadError, RemoteProtocolError, WriteError

from perdure.engine.transport.port import Conversation, Discovered, Listener
from perdure.errors import DiscoveryFailed, DiscoveryRefused
from perdure.protocol.discovery import ACCEPT

if TYPE_CHECKING:
    from perdure.engine.transport.request_identity import RequestIdentity

CONNECT_TIMEOUT_S = 10.0
DISCOVERY_TIMEOUT_S = 30.0

_LOST = (OSError, TimeoutError, RemoteProtocolError, ReadError, WriteError)


class HttpTransport:
    """One remote deployment. All its attempts share the connections of one client.

    `headers` go with every request; `identity` signs each.
    """

    is_local = False

    def __init__(
        self,
        uri: str,
        headers: Mapping[str, str] | None = None,
        *,
        http1: bool = False,
        identity: RequestIdentity | None = None,
    ) -> None:
        self._uri = uri.rstrip("/")
        self._headers = dict(headers or {})
        self._identity = identity
        self._client = Client(
            HTTPTransport(
                http_version=HTTPVersion.HTTP1 if http1 else HTTPVersion.HTTP2,
                tls_include_system_certs=True,
                connect_timeout=CONNECT_TIMEOUT_S,
                pool_idle_timeout=None,
                follow_redirects=False,
                enable_otel=False,
            )
        )

    async def discover(self) -> Discovered:
        """Ask for the manifest."""
        try:
            async with asyncio.timeout(DISCOVERY_TIMEOUT_S):
                answer = await self._client.get(
                    f"{self._uri}/discover", self._with("/discover", accept=ACCEPT)
                )
        except _LOST as error:
            raise DiscoveryFailed(f"cannot reach {self._uri}: {_told(error)}") from error
        if answer.status == 401:
            known = self._identity and f"tell it our key, {self._identity.public_key}"
            what = known or "start the engine with --request-identity-key"
            raise DiscoveryRefused(f"{self._uri} answers only who signs with a key that it knows: {what}")
        if answer.status != 200:
            raise DiscoveryFailed(f"{self._uri}/discover answered with HTTP status {answer.status}")
        return Discovered(answer.content, answer.headers.get("x-restate-server"))

    def open(
        self,
        service: str,
        handler: str,
        protocol_version: int,
        headers: Mapping[str, str],
        listener: Listener,
    ) -> Conversation:
        content_type = f"application/vnd.restate.invocation.v{protocol_version}"
        path = f"/invoke/{service}/{handler}"
        sent = self._with(path, **headers, **{"content-type": content_type})
        return _HttpConversation(self._client, f"{self._uri}{path}", sent, listener)

    def _with(self, path: str, **headers: str) -> Headers:
        signed = self._identity.headers(path) if self._identity is not None else {}
        return Headers([*self._headers.items(), *headers.items(), *signed.items()])


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__


class _HttpConversation:
    """One request, in a task of its own."""

    def __init__(self, client: Client, url: str, headers: Headers, listener: Listener) -> None:
        self._listener: Listener | None = listener
        self._outbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._eof_written = False
        self._task = asyncio.get_running_loop().create_task(self._run(client, url, headers))

    def write(self, data: bytes) -> None:
        if not self._eof_written:
            self._outbox.put_nowait(data)

    def write_eof(self) -> None:
        if not self._eof_written:
            self._eof_written = True
            self._outbox.put_nowait(None)

    def abort(self) -> None:
        self._listener = None
        self._eof_written = True
        self._task.cancel()

    async def _run(self, client: Client, url: str, headers: Headers) -> None:
        error: str | None = None
        try:
            async with client.stream("POST", url, headers, self._outgoing()) as answer:
                if answer.status == 200:
                    async for data in answer.content:
                        if self._listener is not None and data:
                            self._listener.received(bytes(data))
                else:
                    error = f"{url} answered with HTTP status {answer.status}"
        except _LOST as lost:
            error = f"the connection to {url} was lost: {_told(lost)}"
        finally:
            listener, self._listener = self._listener, None
            if listener is not None:
                listener.closed(error)

    async def _outgoing(self) -> AsyncIterator[bytes]:
        while (data := await self._outbox.get()) is not None:
            yield data
