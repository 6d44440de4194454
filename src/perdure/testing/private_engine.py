"""A private engine for one test: no Docker, no ports unless asked, and nobody waits for a sleep."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import httpx2
import restate
from pydantic_core import to_json

from perdure.engine.admin.app import admin_app
from perdure.engine.ingress.app import ingress_app
from perdure.engine.runtime.engine import Engine
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.server import EngineServer
from perdure.errors import NotDeterministic, RequestError, StillWaiting
from perdure.testing.time_skipper import TimeSkipper
from perdure.testing.virtual_clock import VirtualClock
from perdure.testing.watched_transport import WatchedTransport

T = TypeVar("T")

ANY_FREE_PORT = "127.0.0.1:0"
_NO_PORTS = "http://perdure.test"
_SERVICES = (restate.Service, restate.VirtualObject, restate.Workflow)


@asynccontextmanager
async def harness(
    *app: Any,
    data_dir: Path | None = None,
    always_replay: bool = False,
    skip_time: bool = True,
    ports: bool = False,
    timeout_s: float = 30.0,
) -> AsyncIterator[Harness]:
    """`async with harness(app) as h: assert await h.call("Greeter/greet", "Ada") == "Hello Ada"`.

    app: what `restate.app(...)` returned, or the services themselves.
    data_dir: keep the engine's file there; else it is temporary.
    always_replay: end the attempt at every await, so that code which is not deterministic fails at once:
        `call` and `attach` raise NotDeterministic.
    skip_time: while the test waits for a result and nothing runs, it is at once the time of the next timer:
        of durable sleeps, delayed sends and retries. False: all of them take real time.
    ports: listen on free ports too; see `Harness.ingress_url` and `admin_url`.
    timeout_s: real seconds that each wait may take, before it raises StillWaiting.
    """
    with TemporaryDirectory(prefix="perdure-test-") as temporary:
        options = EngineOptions(data_dir or Path(temporary), ingress=ANY_FREE_PORT, admin=ANY_FREE_PORT)
        if always_replay:
            options = replace(options, inactivity_timeout_ms=0)
        h = Harness(_asgi(app), options, always_replay, ports=ports, skip_time=skip_time, timeout_s=timeout_s)
        await h.start()
        try:
            yield h
        finally:
            await h.stop()


def _asgi(app: tuple[Any, ...]) -> Any:
    if app and all(isinstance(part, _SERVICES) for part in app):
        return restate.app(app)
    if len(app) == 1 and callable(app[0]):
        return app[0]
    raise TypeError("harness() takes a restate app, or one or more services: harness(app), harness(greeter)")


class Harness:
    """What a test may do with its engine. Made by `harness`."""

    ingress: httpx2.AsyncClient
    """An HTTP client of the ingress, for what the methods do not offer."""
    admin: httpx2.AsyncClient
    """An HTTP client of the admin API."""
    engine: Engine

    def __init__(
        self,
        app: Any,
        options: EngineOptions,
        always_replay: bool,
        *,
        ports: bool,
        skip_time: bool,
        timeout_s: float,
    ) -> None:
        self._options = options
        self._always_replay = always_replay
        self._ports = ports
        self._skip_time = skip_time
        self._timeout_s = timeout_s
        self._clock = VirtualClock()
        self._transport = WatchedTransport(app, self._clock)
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Start the engine; `harness` has done it already."""
        async with AsyncExitStack() as stack:
            if self._ports:
                server = await stack.enter_async_context(EngineServer(self._options, self._clock))
                self.engine = server.engine
                doors = [
                    httpx2.AsyncClient(base_url=url, timeout=None)  # `timeout_s` bounds it
                    for url in (server.ingress_url, server.admin_url)
                ]
            else:
                self.engine = await stack.enter_async_context(Engine(self._options, self._clock))
                doors = [
                    httpx2.AsyncClient(
                        transport=httpx2.ASGITransport(app=app), base_url=_NO_PORTS, timeout=None
                    )
                    for app in (ingress_app(self.engine), admin_app(self.engine, _NO_PORTS))
                ]
            self.ingress, self.admin = [await stack.enter_async_context(door) for door in doors]
            stack.callback(self.engine.requests.close)
            self._skipper = TimeSkipper(self.engine, self._clock, self._transport)
            await self.engine.serve_app(self._transport, "app under test")
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Stop the engine and cut what runs, as a crash would."""
        await self._stack.aclose()

    async def restart(self) -> None:
        """Stop the engine and start it again on the same file: what was cut goes on. `ingress` and `admin`
        are new clients afterwards."""
        await self.stop()
        await self.start()

    @property
    def ingress_url(self) -> str:
        """Where the ingress listens, with `ports=True`."""
        return str(self.ingress.base_url)

    @property
    def admin_url(self) -> str:
        """Where the admin API listens, with `ports=True`."""
        return str(self.admin.base_url)

    # ---- invocations

    async def call(self, target: str, body: Any = None, *, idempotency_key: str | None = None) -> Any:
        """Call `Service/handler` or `Object/key/handler` and return its result.

        body: None for no input, bytes as they are, anything else as JSON (pydantic models and dataclasses
        too). Raises restate.TerminalError when the handler fails for good, RequestError for a request that
        the ingress refuses, StillWaiting after `timeout_s`; with `always_replay` NotDeterministic.
        """
        return await self._result(self._post(f"/{target}", body, idempotency_key), target)

    async def send(
        self,
        target: str,
        body: Any = None,
        *,
        delay: timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Have `target` invoked, now or after `delay`; the invocation's id. Raises RequestError."""
        query = {} if delay is None else {"delay": f"{round(delay.total_seconds() * 1000)}ms"}
        answer = await self._post(f"/{target}/send", body, idempotency_key, query)
        return str(_refused_or_ok(answer).json()["invocationId"])

    async def attach(self, invocation_id: str) -> Any:
        """The result of an invocation, as `call` returns it."""
        request = self.ingress.get(f"/restate/invocation/{invocation_id}/attach")
        return await self._result(request, invocation_id)

    async def describe(self, invocation_id: str) -> dict[str, Any]:
        """What the admin API says of an invocation: status, target, result, journal and more."""
        view: dict[str, Any] = _refused_or_ok(await self.admin.get(f"/invocations/{invocation_id}")).json()
        return view

    async def status(self, invocation_id: str) -> str:
        """scheduled, pending, running, suspended, backing-off, paused or completed."""
        return str((await self.describe(invocation_id))["status"])

    async def journal(self, invocation_id: str) -> list[dict[str, Any]]:
        """Its entries in order, decoded: `entry_type`, `name`, `value_preview` and more."""
        entries: list[dict[str, Any]] = (await self.describe(invocation_id))["journal"]
        return entries

    async def cancel(self, invocation_id: str) -> None:
        """Ask its code to end."""
        await self.engine.requests.cancel(invocation_id)

    async def kill(self, invocation_id: str) -> None:
        """End it now, without asking its code."""
        await self.engine.requests.kill(invocation_id)

    async def resolve(self, awakeable_id: str, value: Any = None) -> None:
        """Complete an awakeable with a value, as `call` sends a body."""
        _refused_or_ok(await self._post(f"/restate/awakeables/{awakeable_id}/resolve", value))

    async def reject(self, awakeable_id: str, reason: str) -> None:
        """Complete an awakeable with a failure."""
        _refused_or_ok(await self._post(f"/restate/awakeables/{awakeable_id}/reject", reason.encode()))

    # ---- time

    @property
    def now(self) -> datetime:
        """The engine's time, UTC."""
        return datetime.fromtimestamp(self._clock() / 1000, UTC)

    async def settle(self) -> None:
        """Return when no handler runs: all have completed, or wait for a timer, a promise or somebody.

        No time is skipped. Raises StillWaiting after `timeout_s`.
        """
        await self._within(self._skipper.settle(), "the handlers to come to rest", skips=False)

    async def advance(self, by: timedelta) -> None:
        """Move the clock: every timer on the way fires in its turn, and what it wakes runs until it waits."""
        at_ms = self._clock() + round(by.total_seconds() * 1000)
        await self._within(self._skipper.advance_to(at_ms), "the handlers to come to rest", skips=False)

    # ---- HTTP

    async def _post(
        self, path: str, body: Any, key: str | None = None, query: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        headers = {} if key is None else {"idempotency-key": key}
        content = b""
        if isinstance(body, bytes):
            content = body
        elif body is not None:
            content = to_json(body)
            headers["content-type"] = "application/json"
        return await self.ingress.post(path, content=content, headers=headers, params=dict(query or {}))

    async def _result(self, request: Coroutine[Any, Any, httpx2.Response], whose: str) -> Any:
        if self._always_replay:
            request = self._unless_it_differs(request)
        return _result(await self._within(request, f"the result of {whose}"))

    async def _unless_it_differs(self, request: Coroutine[Any, Any, T]) -> T:
        """A later attempt may go the way of the first again, and succeed: that would be luck."""
        mismatch = self._transport.mismatch
        answer = asyncio.ensure_future(request)
        either: set[asyncio.Future[Any]] = {answer, mismatch}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if mismatch.done():
                raise NotDeterministic(f"a replay took another way: {mismatch.result()}")
            return answer.result()
        finally:
            answer.cancel()

    async def _within(self, wanted: Coroutine[Any, Any, T], what: str, *, skips: bool | None = None) -> T:
        skips = self._skip_time if skips is None else skips
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._skipper.until_done(wanted, skips=skips)
        except TimeoutError:
            raise StillWaiting(
                f"waited {self._timeout_s:g} s for {what}. Unfinished: {self._unfinished()}"
            ) from None

    def _unfinished(self) -> str:
        found = self.engine.store.invocations.newest(1000, None, None)
        waiting = [f"{i.id} ({i.target}) is {i.status}" for i in found if i.result is None]
        return "; ".join(waiting) or "nothing"


def _result(answer: httpx2.Response) -> Any:
    """The value of a handler, or its failure. An answer without an invocation's id is the ingress's own."""
    if answer.is_error and "x-restate-id" in answer.headers:
        raise restate.TerminalError(answer.json()["message"], answer.status_code)
    content = _refused_or_ok(answer).content
    if content and answer.headers.get("content-type", "").startswith("application/json"):
        return json.loads(content)
    return content or None


def _refused_or_ok(answer: httpx2.Response) -> httpx2.Response:
    if answer.is_error:
        raise RequestError(answer.status_code, answer.json()["message"])
    return answer
