"""What is no stream goes to restate-server's ingress and back, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse

from perdure.gateway.restate_server import UNREACHABLE

# They speak of one connection (RFC 9110, 7.6.1), and each side has its own.
_OF_A_CONNECTION = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Proxy:
    """An ASGI app in front of the server at `url`. Bodies stream both ways; a client that leaves ends its
    request there too.
    """

    def __init__(self, url: str, http: httpx2.AsyncClient) -> None:
        self._url = httpx2.URL(url)
        self._http = http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(receive)
        # Not `http.build_request`, which would add headers that the client did not send.
        request = httpx2.Request(
            scope["method"],
            target(self._url, scope["raw_path"], scope["query_string"]),
            headers=[*passed_on(scope["headers"]), (b"host", self._url.netloc)],
            content=body.chunks() if _has_body(scope["headers"]) else None,
        )
        answering = asyncio.create_task(self._answer(request, scope, receive, send))
        leaving = asyncio.create_task(body.client_left())
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not answering.done():
            answering.cancel()
        await asyncio.wait({answering})
        if not answering.cancelled():
            answering.result()

    async def _answer(self, request: httpx2.Request, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._http.send(request, stream=True)
        except httpx2.TransportError as error:
            message = f"restate-server does not answer at {self._url}: {str(error) or type(error).__name__}"
            body = {"code": UNREACHABLE, "message": message, "source": "ingress"}
            await JSONResponse(body, UNREACHABLE, {"x-restate-error-source": "ingress"})(scope, receive, send)
            return
        try:
            headers = list(passed_on(response.headers.raw))
            await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
            async for chunk in response.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await response.aclose()


class _Body:
    """The request's body, and what comes after it: the client's good-bye."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._read.set()
                raise httpx2.ReadError("the client left")
            yield message.get("body", b"")
            if not message.get("more_body", False):
                self._read.set()
                return

    async def client_left(self) -> None:
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def target(url: httpx2.URL, raw_path: bytes, query: bytes) -> httpx2.URL:
    """`raw_path` below `url`, encoded as the client wrote it."""
    path = url.raw_path.rstrip(b"/") + raw_path
    return url.copy_with(raw_path=path + b"?" + query if query else path)


def passed_on(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers without those of a connection, and `host`."""
    return [(k, v) for k, v in headers if k.lower() not in _OF_A_CONNECTION and k.lower() != b"host"]


def _has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    names = {name.lower() for name, _ in headers}
    return b"content-length" in names or b"transfer-encoding" in names


def request_to(request: Request, url: str, raw_path: bytes) -> httpx2.Request:
    """The client's request, for another path."""
    return httpx2.Request(
        request.method,
        target(httpx2.URL(url), raw_path, request.scope["query_string"]),
        headers=passed_on(request.scope["headers"]),
        content=request.stream(),
    )
