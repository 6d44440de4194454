"""An HTTP proxy that counts what passes through it, and can keep a caller waiting until it dies.

The demo puts one before the model and one before the weather service. They live in the demo's own process,
which outlives the one that is killed, so what they count is what was sent and not what somebody remembers.
"""

import hashlib
import socket
import threading
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
FORWARDED_HEADERS = {"accept", "authorization", "content-type", "openai-organization", "openai-project"}
RETURNED_HEADERS = {"content-type", "retry-after", "x-request-id"}


@dataclass
class Call:
    """One counted request. `digest` is equal for two requests of the same method, target and body."""

    path: str
    body: bytes
    digest: str
    answered: bool = False  # with a status of success
    caller_died: bool = False


class CountingProxy:
    """Listens on a free port of 127.0.0.1 for the length of a `with` block.

    upstreams: for each path prefix, the address that its requests are sent on to.
    counted: the endings of the paths that count as calls.
    """

    def __init__(self, upstreams: Mapping[str, str], counted: Collection[str]) -> None:
        self.calls: list[Call] = []
        self._upstreams = {prefix: url.rstrip("/") for prefix, url in upstreams.items()}
        self._counted = tuple(counted)
        self._hold: threading.Event | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        routes = [Route("/{path:path}", self._answer, methods=METHODS)]
        app = Starlette(routes=routes, lifespan=self._lifespan)
        # Silent, for at Ctrl-C it would tell of every request that nobody waits for any more. What goes wrong
        # in here is a 500, and in the log of the process that asked.
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        # Not on the main thread: uvicorn would take the demo's Ctrl-C for itself there.
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(5)
        self._socket.close()

    def hold_next(self) -> threading.Event:
        """The next counted call gets no answer while its caller lives; the event is set when it arrives."""
        self._hold = threading.Event()
        return self._hold

    def repeated(self) -> list[Call]:
        """The calls whose equal had been answered before."""
        answered: set[str] = set()
        repeated = []
        for call in self.calls:
            if call.digest in answered:
                repeated.append(call)
            if call.answered:
                answered.add(call.digest)
        return repeated

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        async with httpx2.AsyncClient(timeout=httpx2.Timeout(300, connect=3)) as self._client:
            yield

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if not request.url.path.endswith(self._counted):
            return await self._forward(request, target, body)
        digest = hashlib.sha256(b"\n".join([request.method.encode(), target.encode(), body])).hexdigest()
        call = Call(request.url.path, body, digest)
        self.calls.append(call)
        if self._hold is not None and not self._hold.is_set():
            self._hold.set()
            await request.receive()  # the body has been read, so the next message is that the caller is gone
            call.caller_died = True
            return PlainTextResponse("nobody is there to read this", 499)
        response = await self._forward(request, target, body)
        call.answered = response.status_code < 300
        return response

    async def _forward(self, request: Request, target: str, body: bytes) -> Response:
        upstream = next((url for prefix, url in self._upstreams.items() if target.startswith(prefix)), None)
        if upstream is None:
            return PlainTextResponse(f"nothing is proxied at {target}", 404)
        headers = {name: value for name, value in request.headers.items() if name in FORWARDED_HEADERS}
        try:
            url = upstream + target
            answer = await self._client.request(request.method, url, headers=headers, content=body)
        except httpx2.TransportError as error:
            return PlainTextResponse(f"{upstream} is out of reach: {error}", 502)
        returned = {name: value for name, value in answer.headers.items() if name in RETURNED_HEADERS}
        return Response(answer.content, answer.status_code, returned)
