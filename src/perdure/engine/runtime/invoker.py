"""Attempts: conversations with handlers, each fed by the journal and feeding the processor."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from perdure.engine.core.actions import ConfirmRun, Deliver, StartAttempt
from perdure.engine.core.inputs import Progress
from perdure.engine.core.model import Invocation
from perdure.engine.runtime.eager_state import add_eager_state
from perdure.engine.runtime.options import EngineOptions
from perdure.engine.runtime.publishing import Publishing
from perdure.engine.runtime.registry import Registry
from perdure.engine.storage.sqlite_store import SqliteStore
from perdure.engine.transport.port import Conversation
from perdure.errors import DeploymentUnavailable, ProtocolError
from perdure.protocol.ids import decode_invocation_id, random_seed
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb
from perdure.protocol.session import AttemptFailed, AttemptSession, Awaiting, CommandSent, Event
from perdure.telemetry import trace_context

PROTOCOL_VIOLATION = 571
TOO_LARGE = AttemptFailed(
    413,
    "the journal has reached the limit of what one invocation may hold in memory: keep large values "
    "elsewhere and journal a reference, or start the engine with a larger --journal-mib-max, and resume",
    behavior=pb.PAUSE,
)
CROWDED_QUIET_S = 0.5
"""While attempts wait for a place, one that does nothing but wait is asked to suspend after so long."""

Submit = Callable[[Progress, bool], None]
"""Takes what an attempt said, and whether it may wait for company (be lazy)."""


class Attempt:
    """One attempt. It is the transport's listener."""

    def __init__(
        self,
        invocation: Invocation,
        version: int,
        submit: Submit,
        ended: Callable[[Attempt], None],
        bytes_max: int,
    ) -> None:
        """`ended` is called once, when the handler has said how the attempt ended, or was lost. `bytes_max`
        bounds what may come to its journal from now on."""
        self.invocation_id = invocation.id
        self.number = invocation.attempt
        self.session = AttemptSession(version)
        self.conversation: Conversation | None = None
        self.replayed = 0
        """Journal entries that it was opened with."""
        self._submit = submit
        self._ended = ended
        self._bytes_left = bytes_max
        self._is_executing = False
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._timeout: asyncio.TimerHandle | None = None

    def begin(self, conversation: Conversation, opening: bytes, inactivity_s: float, abort_s: float) -> None:
        """Send Start and the journal; from then on, watch for silence."""
        self.conversation = conversation
        self._inactivity_s, self._abort_s = inactivity_s, abort_s
        conversation.write(opening)
        if inactivity_s == 0:
            conversation.write_eof()
        self._timeout = self._loop.call_later(inactivity_s or abort_s, self._silent)

    def notify(self, data: bytes) -> None:
        """Send a notification."""
        self.write(data)
        self._count(len(data))

    def write(self, data: bytes) -> None:
        """Send an answer to a proposal."""
        if self.conversation is not None:
            self._heard_at = self._loop.time()
            self.conversation.write(data)

    def suspend(self) -> None:
        """Ask the handler to suspend at its next await."""
        if self.conversation is not None:
            self.conversation.write_eof()

    def suspend_if_idle(self, quiet_s: float) -> None:
        """Ask it to suspend, if all it does is wait for the journal and nothing has come for `quiet_s`."""
        if not self._is_executing and self._loop.time() - self._heard_at >= quiet_s:
            self.suspend()

    def stop(self) -> None:
        """Cut the conversation; what it still says is not heard."""
        self._finish()
        if self.conversation is not None:
            self.conversation.abort()
            self.conversation = None

    # ---- Listener

    def received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        if not self._count(len(data)):
            return
        try:
            events = self.session.receive(data)
        except ProtocolError as error:
            self._fail(AttemptFailed(PROTOCOL_VIOLATION, f"{type(error).__name__}: {error}"))
            return
        if self.session.ended:
            # The handler waits for our EOF before it goes: answer it, whatever becomes of the invocation.
            self.suspend()
            self._finish()
        for event in events:
            if isinstance(event, Awaiting):
                self._is_executing = event.executing_side_effects
        said = tuple(event for event in events if not isinstance(event, Awaiting))
        if said:
            self._submit(Progress(self.invocation_id, self.number, said), all(map(_is_lazy, said)))

    def closed(self, error: str | None) -> None:
        self._finish()
        self.conversation = None
        if self.session.ended:
            return
        try:
            failed = self.session.receive_end()
        except ProtocolError as broken:
            failed = AttemptFailed(PROTOCOL_VIOLATION, f"{type(broken).__name__}: {broken}")
        if failed is not None:
            failed = AttemptFailed(500, error) if error else failed
            self._submit(Progress(self.invocation_id, self.number, (failed,)), False)

    # ---- limits

    def _count(self, length: int) -> bool:
        """False: that was too much, and the attempt has ended. Nothing of what is too much is journaled."""
        self._bytes_left -= length
        if self._bytes_left >= 0:
            return True
        if not self.session.ended:
            self._fail(TOO_LARGE)
        return False

    def _silent(self) -> None:
        now = self._loop.time()
        quiet_for_s = now - self._heard_at
        if quiet_for_s < self._inactivity_s:
            self._timeout = self._loop.call_later(self._inactivity_s - quiet_for_s, self._silent)
        elif quiet_for_s < self._inactivity_s + self._abort_s:
            self.suspend()
            remaining_s = self._inactivity_s + self._abort_s - quiet_for_s
            self._timeout = self._loop.call_later(remaining_s, self._silent)
        else:
            seconds = round(quiet_for_s)
            self._fail(AttemptFailed(500, f"the handler was asked to suspend and was silent for {seconds} s"))

    def _fail(self, failed: AttemptFailed) -> None:
        self.session.ended = True
        self.stop()
        self._submit(Progress(self.invocation_id, self.number, (failed,)), False)

    def _finish(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None
            self._ended(self)


def _is_lazy(event: Event) -> bool:
    """Nobody outside can see a Run command until its result is proposed: it may ride with that."""
    return isinstance(event, CommandSent) and event.type == MessageType.RUN


class Invoker:
    """The attempts under way, one an invocation at most."""

    def __init__(
        self,
        store: SqliteStore,
        registry: Registry,
        publishing: Publishing,
        options: EngineOptions,
        submit: Submit,
    ) -> None:
        self._store = store
        self._registry = registry
        self._publishing = publishing
        self._options = options
        self._submit = submit
        self._attempts: dict[str, Attempt] = {}
        self._waiting: OrderedDict[str, StartAttempt] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self._make_room_soon: asyncio.TimerHandle | None = None

    def start(self, action: StartAttempt) -> None:
        """Start an attempt, or queue it until there is a place. What waits holds no memory but its id."""
        if action.id in self._attempts or len(self._attempts) < self._options.concurrent_attempts_max:
            self._open(action)
            return
        self._waiting[action.id] = action
        if self._make_room_soon is None:
            self._make_room_soon = self._loop.call_later(CROWDED_QUIET_S, self._make_room)

    def _open(self, action: StartAttempt) -> None:
        """Open the conversation and replay the journal, read in the same turn that registers the attempt:
        no notification can fall between the two."""
        invocation = self._store.invocation(action.id)
        if invocation is None or invocation.attempt != action.attempt:
            return
        self.abort(action.id)
        try:
            transport, manifest = self._registry.endpoint(invocation)
        except DeploymentUnavailable as error:
            self._submit(Progress(action.id, action.attempt, (AttemptFailed(503, str(error)),)), False)
            return
        bytes_left = self._options.journal_bytes_max - self._store.journals.size_bytes(action.id)
        if bytes_left < 0:
            self._submit(Progress(action.id, action.attempt, (TOO_LARGE,)), False)
            return
        journal = [(entry.type, entry.payload) for entry in self._store.journal(action.id)]
        attempt = Attempt(invocation, manifest.protocol_version, self._submit, self._forget, bytes_left)
        attempt.replayed = len(journal)
        self._attempts[action.id] = attempt
        target = invocation.target
        headers = {
            **self._publishing.open(action.id, action.attempt, is_local=transport.is_local),
            trace_context.ATTEMPT: str(action.attempt),
            trace_context.TRACEPARENT: str(
                trace_context.of_attempt(action.id, invocation.traceparent, action.attempt)
            ),
        }
        conversation = transport.open(
            target.service, target.handler, manifest.protocol_version, headers, attempt
        )
        opening = attempt.session.start(
            _start_message(invocation, manifest.protocol_version, self._store), journal
        )
        attempt.begin(conversation, opening, *self._timeouts_s(invocation))
        if not manifest.bidirectional:
            attempt.suspend()  # it answers only once we have said everything

    def deliver(self, action: Deliver) -> None:
        """Send a journaled notification to the attempt, if it is still there and has not replayed it."""
        attempt = self._attempts.get(action.id)
        if attempt is not None and action.index >= attempt.replayed:
            attempt.notify(attempt.session.notification(action.type, action.payload))

    def confirm(self, action: ConfirmRun) -> None:
        """Send the answer to a proposal."""
        if attempt := self._attempts.get(action.id):
            attempt.write(attempt.session.run_stored(action.proposed))

    def abort(self, invocation_id: str) -> None:
        """Cut the attempt, if there is one."""
        self._waiting.pop(invocation_id, None)
        if attempt := self._attempts.get(invocation_id):
            attempt.stop()
            self._forget(attempt)

    def attempts(self) -> tuple[int, int]:
        """How many are under way, and how many wait for a place."""
        return len(self._attempts), len(self._waiting)

    def is_attempting(self, invocation_id: str) -> bool:
        """Is there an attempt under way, or waiting for a place?"""
        return invocation_id in self._attempts or invocation_id in self._waiting

    def abort_all(self) -> None:
        """Cut every attempt."""
        self._waiting.clear()
        if self._make_room_soon is not None:
            self._make_room_soon.cancel()
        for invocation_id in list(self._attempts):
            self.abort(invocation_id)

    def _forget(self, attempt: Attempt) -> None:
        if self._attempts.get(attempt.invocation_id) is attempt:
            del self._attempts[attempt.invocation_id]
            self._publishing.close(attempt.invocation_id)
            if self._waiting:
                # Not now: we may be in the middle of starting or cutting one.
                self._loop.call_soon(self._admit)

    def _admit(self) -> None:
        """Start those who wait, first come first served, as far as there is room."""
        while self._waiting and len(self._attempts) < self._options.concurrent_attempts_max:
            self._open(self._waiting.popitem(last=False)[1])

    def _make_room(self) -> None:
        """Those with a place may all wait for results of those without: let go of the idle ones."""
        self._make_room_soon = None
        if self._waiting:
            for attempt in list(self._attempts.values()):
                attempt.suspend_if_idle(CROWDED_QUIET_S)
            self._make_room_soon = self._loop.call_later(CROWDED_QUIET_S, self._make_room)

    def _timeouts_s(self, invocation: Invocation) -> tuple[float, float]:
        inactivity_ms = self._options.inactivity_timeout_ms
        abort_ms = self._options.abort_timeout_ms
        handler = self._store.handler(invocation.target.service, invocation.target.handler)
        if handler is not None and inactivity_ms != 0:
            said = handler.options
            inactivity_ms = (
                inactivity_ms if said.inactivity_timeout_ms is None else said.inactivity_timeout_ms
            )
            abort_ms = abort_ms if said.abort_timeout_ms is None else said.abort_timeout_ms
        return inactivity_ms / 1000, abort_ms / 1000


def _start_message(invocation: Invocation, version: int, store: SqliteStore) -> pb.Start:
    start = pb.Start(
        id=decode_invocation_id(invocation.id),
        debug_id=invocation.id,
        key=invocation.target.key,
        retry_count_since_last_stored_entry=invocation.retry_count,
        random_seed=random_seed(invocation.seed_id or invocation.id),
        idempotency_key=invocation.idempotency_key,
        scope=invocation.scope if version >= 7 else None,
        limit_key=invocation.limit_key if version >= 7 else None,
    )
    if invocation.target.key:
        add_eager_state(start, invocation.target, store)
    return start
