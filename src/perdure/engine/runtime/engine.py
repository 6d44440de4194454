"""The engine without its doors: everything that decides, remembers and runs, started and stopped in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from perdure.engine.core.actions import (
    AbortAttempt,
    Action,
    Complete,
    ConfirmRun,
    Deliver,
    Published,
    Reply,
    SetTimer,
    StartAttempt,
)
from perdure.engine.core.inputs import Input, Progress, Recover
from perdure.engine.core.model import TimerKind
from perdure.engine.runtime.attempt_log import AttemptLog
from perdure.engine.runtime.failure_log import FailureLog
from perdure.engine.runtime.invoker import Invoker
from perdure.engine.runtime.metrics import EngineMetrics
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.runtime.processor import Processor
from perdure.engine.runtime.publishing import Publishing
from perdure.engine.runtime.registry import Registry
from perdure.engine.runtime.requests import Requests
from perdure.engine.runtime.retention import Retention
from perdure.engine.runtime.spans import EngineSpans
from perdure.engine.runtime.timers import TimerService
from perdure.engine.storage.deployments import Deployment
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.engine.transport.port import Transport
from perdure.errors import StoreFailed
from perdure.protocol.session import AttemptFailed

if TYPE_CHECKING:
    from perdure.engine.transport.request_identity import RequestIdentity

logger = logging.getLogger(__name__)

RECOVER_DELAY_S = 1.0
"""After the disk refused a write, the attempts that it cost start again so much later."""


class Load(NamedTuple):
    """Attempts under way and waiting for a place, clients that wait for results and for events; and what was
    stored since the engine started."""

    attempts: int
    waiting: int
    clients: int
    readers: int
    journal_entries: int
    journal_bytes: int
    stream_events: int


def wall_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def _identity(options: EngineOptions) -> RequestIdentity | None:
    if options.request_identity_key is None:
        return None
    # Late: who signs nothing does not wait for the cryptography to load.
    from perdure.engine.transport.request_identity import RequestIdentity

    return RequestIdentity.from_pem_file(options.request_identity_key)


class Engine:
    """`async with Engine(options) as engine: await engine.serve_app(transport, name)`.

    Raises on entry: DataDirLocked, StoreTooNew, StoreFailed.
    """

    store: SqliteStore
    requests: Requests
    registry: Registry
    publishing: Publishing
    metrics: EngineMetrics

    def __init__(
        self,
        options: EngineOptions,
        clock_ms: Callable[[], int] = wall_clock_ms,
        open_store: Callable[[Path], AbstractContextManager[SqliteStore]] = SqliteStore.open,
    ) -> None:
        self.options = options
        self.ingress_url = options.advertised_ingress or f"http://{options.ingress}"
        """As deployments elsewhere reach it. Who binds a port of its own choice says so before entering."""
        self.clock_ms = clock_ms
        self._open_store = open_store
        self._stack = ExitStack()
        self._perform_of: dict[type[Action], Callable[..., None]] = {}

    async def __aenter__(self) -> Engine:
        identity = _identity(self.options)  # before the file: a wrong path leaves nothing behind
        self.store = self._stack.enter_context(self._open_store(self.options.data_dir))
        self.metrics = EngineMetrics()
        self._attempt_log = AttemptLog(self.store, self.clock_ms, [FailureLog(), EngineSpans(), self.metrics])
        self._processor = Processor(self.store, self.clock_ms, self._perform, self._failed, self._committed)
        self.requests = Requests(self.store, self._processor.submit)
        self.registry = Registry(self.store, self.clock_ms, identity)
        self.publishing = Publishing(self.requests, self.ingress_url)
        self._invoker = Invoker(
            self.store,
            self.registry,
            self.publishing,
            self.options,
            lambda progress, lazy: self._processor.submit(progress, lazy=lazy),
        )
        self._timers = TimerService(self.store, self.clock_ms, self._processor.submit)
        self._retention = Retention(
            self.store, self.clock_ms, self._processor.apply_behind, self.requests.is_read
        )
        self._perform_of = {
            StartAttempt: self._invoker.start,
            AbortAttempt: lambda action: self._invoker.abort(action.id),
            Deliver: self._invoker.deliver,
            ConfirmRun: self._invoker.confirm,
            SetTimer: self._set_timer,
            Published: self.requests.published,
            Complete: self.requests.complete,
            Reply: self.requests.reply,
        }
        for deployment in self.registry.connect():
            self._recover(deployment)
        self._timers.start()
        self._retention.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Cut what runs: it is in the journal, and goes on when the engine starts again."""
        self._timers.stop()
        self._retention.stop()
        self._processor.flush()
        self._invoker.abort_all()
        await asyncio.sleep(0)  # one turn for the tasks that were cut to end
        self._stack.close()

    async def serve_app(self, transport: Transport, name: str) -> tuple[Deployment, int]:
        """Discover an app of this process, and let its unfinished invocations go on.

        Returns the deployment and how many go on. Raises DiscoveryFailed.
        """
        deployment = await self.registry.register_app(transport, name)
        return deployment, self._recover(deployment)

    def load(self) -> Load:
        """What this process has in hand."""
        clients, readers = self.requests.waiting()
        return Load(
            *self._invoker.attempts(),
            clients,
            readers,
            self.store.journals.entries_appended,
            self.store.journals.bytes_appended,
            self.store.streams.events_added,
        )

    def flush(self) -> None:
        """Apply every input that is queued, now."""
        self._processor.flush()

    def clock_was_set(self) -> None:
        """The clock has jumped: fire what fell due, now, and wait anew for the rest."""
        self._timers.start()
        self._retention.start()
        self._processor.flush()

    def _recover(self, deployment: Deployment) -> int:
        unfinished = [
            invocation_id
            for service in deployment.manifest.services
            for invocation_id in self.store.invocations.unfinished_ids(service)
            if not self._invoker.is_attempting(invocation_id)
        ]
        for invocation_id in unfinished:
            self._attempt_log.recovering(invocation_id)
            self._processor.submit(Recover(invocation_id))
        return len(unfinished)

    def _committed(self, batch: list[Input], actions: list[Action], took_s: float) -> None:
        self.metrics.committed(batch, took_s, self._attempt_log.under_way)
        self._attempt_log.committed(batch, actions)

    def _perform(self, action: Action) -> None:
        self._perform_of[type(action)](action)

    def _set_timer(self, action: SetTimer) -> None:
        is_purge = action.timer.kind is TimerKind.PURGE
        (self._retention if is_purge else self._timers).set(action.timer)

    def _failed(self, event: Input, error: Exception) -> None:
        """Nothing of this input is in the store, so nobody may believe it is. An attempt whose words were
        lost is cut; the next one replays from what was kept."""
        self.requests.failed(event, error)
        if not isinstance(event, Progress | Recover):
            return
        self._invoker.abort(event.id)
        if isinstance(error, StoreFailed):
            loop = asyncio.get_running_loop()
            loop.call_later(RECOVER_DELAY_S, self._processor.submit, Recover(event.id))
        elif isinstance(event, Progress):
            # A defect of a rule, which a replay would meet again: the retry policy bounds how often.
            failed = AttemptFailed(500, f"the engine could not apply what the handler said: {error!r}")
            self._processor.submit(Progress(event.id, event.attempt, (failed,)))
