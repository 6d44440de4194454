"""The worker side of `perdure serve`: the user's app, made to stop in order.

Two facts shape this file. The SDK takes the loop's SIGTERM handler for itself at its first request, so
granian never hears of it; its `install_shutdown_hook` is how others share that signal. And an attempt
that waits for the journal ends only when its input ends, which restate-server does after a minute. So
on SIGTERM we end the input of every attempt: what waits suspends, what runs a step records its result
and suspends then. Nothing is retried, nothing is lost.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from multiprocessing.util import Finalize

from prometheus_client import start_http_server

from perdure.cli import garbage_collection
from perdure.cli.handlers import target_names
from perdure.cli.logs import HandlerLogs
from perdure.cli.target import Target
from perdure.cli.traces import send_traces
from perdure.engine.transport.asgi import AsgiApp, AsgiTransport, Message
from perdure.errors import CommandError, DiscoveryFailed, DiscoveryRefused, PerdureError
from perdure.protocol.discovery import decode_manifest
from perdure.telemetry import otlp

_LOAD_FAILED = 2

_Receive = Callable[[], Awaitable[Message]]
_Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker tells the parent once: the targets that it serves, or why it cannot."""

    targets: tuple[str, ...] = ()
    failure: str | None = None


def load_endpoint(
    target: Target,
    reports: SimpleQueue[WorkerReport],
    logs: HandlerLogs,
    metrics: tuple[str, int] | None = None,
) -> AsgiApp:
    """Runs in each worker process, before its loop does: the app for granian to serve. `metrics` is the
    address where Prometheus finds them."""
    _die_with_parent()
    try:
        app = target.load()
        logs.set_up()
        send_traces()
        # A worker ends without running what others register with `atexit`.
        Finalize(None, otlp.flush, exitpriority=1)
        garbage_collection.for_a_server()
        if metrics is not None:
            start_http_server(metrics[1], metrics[0])
        return ServiceEndpoint(target, app, reports)
    except CommandError as error:
        _report_failure(reports, error)
        raise SystemExit(_LOAD_FAILED) from error


class ServiceEndpoint:
    """An ASGI app around the user's, whose attempts can be asked to end."""

    def __init__(self, target: Target, app: AsgiApp, reports: SimpleQueue[WorkerReport]) -> None:
        self._target = target
        self._app = app
        self._reports = reports
        self._draining = False
        self._receiving: set[asyncio.Future[Message]] = set()

    async def __call__(self, scope: Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "lifespan":
            await self._start()
            await self._app(scope, receive, send)  # the SDK's own app has none, and says so by raising
        else:
            await self._app(scope, _EndableInput(self, receive), send)

    async def _start(self) -> None:
        try:
            manifest = decode_manifest((await AsgiTransport(self._app).discover()).manifest_json)
            targets = tuple(target_names(manifest))
        except DiscoveryRefused:  # it tells only the engine whose key it knows what there is
            targets = ()
        except DiscoveryFailed as error:
            place = f"{self._target.place}:{self._target.attr}"
            _report_failure(self._reports, CommandError(f"{place} cannot be served: {error}"))
            raise SystemExit(_LOAD_FAILED) from error  # not startup.failed: granian would log it besides
        from restate.server import install_shutdown_hook

        install_shutdown_hook(asyncio.get_running_loop(), self._drain)
        self._reports.put(WorkerReport(targets=targets))

    def _drain(self) -> None:
        self._draining = True
        for pending in list(self._receiving):
            pending.cancel()
        # granian listens to SIGINT still: it stops accepting, and ends when the last stream has ended.
        signal.raise_signal(signal.SIGINT)

    async def receive(self, receive: _Receive) -> Message | None:
        """The next message of a request, or None when it is time to end its input."""
        if self._draining:
            return None
        pending = asyncio.ensure_future(receive())
        self._receiving.add(pending)
        try:
            return await pending
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._draining and task is not None and not task.cancelling():
                return None
            raise
        finally:
            self._receiving.discard(pending)


class _EndableInput:
    """The `receive` of one request."""

    def __init__(self, endpoint: ServiceEndpoint, receive: _Receive) -> None:
        self._endpoint = endpoint
        self._receive = receive
        self._ended = False

    async def __call__(self) -> Message:
        if not self._ended:
            received = await self._endpoint.receive(self._receive)
            if received is not None:
                return received
            self._ended = True
            return {"type": "http.request", "body": b"", "more_body": False}
        # The SDK was told that the input is over: what the engine still sends is for the next attempt.
        while (message := await self._receive())["type"] != "http.disconnect":
            pass
        return message


def _report_failure(reports: SimpleQueue[WorkerReport], error: PerdureError) -> None:
    if os.environ.get("PERDURE_TRACEBACK"):
        traceback.print_exception(error)
    reports.put(WorkerReport(failure=str(error)))


def _die_with_parent() -> None:
    """A worker whose parent was killed with SIGKILL would hold the port for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="perdure-parent-watch", daemon=True).start()
