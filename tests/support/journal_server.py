"""A restate server reduced to one invocation, in memory, under full control of a test.

It speaks the real service protocol to the real SDK (over ASGI, in process), keeps the journal, and lets the
test choose what a real server leaves to chance: in which order outcomes arrive, after which journal entry
the connection breaks, and whether the attempt is suspended at every await. The SDK's own state machine
checks every replay, and an attempt that takes another way than the journal fails the test.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import restate

from perdure import durable
from perdure.protocol import messages
from perdure.protocol.frames import Frame, FrameDecoder, encode_frame
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb
from perdure.streams.sink import HEADER, Sink, forget, register

Choose = Callable[[Sequence[str]], int]
"""Which of the waiting outcomes, named like 'run:3' by their completion id, is to arrive next; -1 for none
yet.
"""


def sleeps_last(names: Sequence[str]) -> int:
    """Outcomes in the order in which they became known, and timers only when there is nothing else."""
    return next((at for at, name in enumerate(names) if not name.startswith("sleep")), 0)


# An attempt that has not said anything for so many rounds of the event loop waits for us.
_QUIET_ROUNDS = 40
_ATTEMPTS_MAX = 500


class AttemptFailed(AssertionError):
    """The SDK reported an error: a journal mismatch, or an exception that left the handler."""


@dataclass
class Outcome:
    """Something that the server knows and the handler does not yet."""

    name: str
    frame: Frame


@dataclass
class JournalServer:
    """One invocation. `run()` makes attempts until it has an output."""

    app: Any
    path: str
    request: bytes = b'""'
    choose: Choose = sleeps_last
    break_after: set[int] = field(
        default_factory=set
    )  # journal lengths at which the connection breaks, once each
    suspend_always: bool = False  # every await that the journal cannot answer is a suspension
    version: int = 6
    invocation_id: str = "inv_1"
    sink: Callable[[int], Sink] | None = None  # where an attempt, the first is 1, publishes
    patience_s: float = 0.0  # how long an attempt may be silent before it is suspended

    journal: list[Frame] = field(default_factory=list)
    waiting: list[Outcome] = field(default_factory=list)
    attempts: int = 0
    errors: list[str] = field(default_factory=list)
    retry_errors: bool = False
    attempt_headers: dict[str, str] = field(default_factory=dict)
    _connection: _Connection | None = None

    def __post_init__(self) -> None:
        command = pb.InputCommand(value=pb.Value(content=self.request))
        self.journal.append(Frame(MessageType.INPUT, 0, command.SerializeToString()))

    async def run(self) -> pb.OutputCommand:
        while self.attempts < _ATTEMPTS_MAX:
            output = await asyncio.wait_for(self.attempt(), timeout=20)
            if output is not None:
                return output
        raise AssertionError("the invocation makes no progress")

    async def attempt(self) -> pb.OutputCommand | None:
        """One attempt; its output, or None if it was suspended or its connection broke."""
        self.attempts += 1
        connection = self._connection = _Connection(self)
        if self.sink is None:
            return await connection.talk()
        token = f"{self.invocation_id} {self.attempts}"
        self.attempt_headers = {HEADER: register(token, self.sink(self.attempts))}
        try:
            return await connection.talk()
        finally:
            forget(token)

    def break_now(self) -> None:
        """Break the connection of the running attempt."""
        assert self._connection is not None
        self._connection.broken = True

    def resume_from(self, journal: Sequence[Frame]) -> None:
        """Start over with a journal that another server left, as after a crash of the server itself."""
        self.journal, self.waiting = list(journal), []
        connection = _Connection(self)
        for frame in journal:
            if messages.is_command(frame.type):
                connection._answer(frame.type, messages.decode_message(frame.type, frame.payload))
        self.waiting = [outcome for outcome in self.waiting if outcome.frame not in self.journal]

    def cancel(self) -> None:
        signal = pb.Notification(signal_id=messages.SIGNAL_CANCEL, void=pb.Void())
        self.waiting.append(Outcome("cancel", Frame(MessageType.SIGNAL, 0, signal.SerializeToString())))

    def resolve_awakeable(self, awakeable_id: str, body: bytes) -> None:
        self._signal(awakeable_id, pb.Notification(value=pb.Value(content=body)))

    def reject_awakeable(self, awakeable_id: str, message: str) -> None:
        self._signal(awakeable_id, pb.Notification(failure=pb.Failure(code=500, message=message)))

    def _signal(self, awakeable_id: str, signal: pb.Notification) -> None:
        encoded = awakeable_id.removeprefix("sign_1")
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        signal.signal_id = int.from_bytes(raw[-4:], "big")
        frame = Frame(MessageType.SIGNAL, 0, signal.SerializeToString())
        self.waiting.append(Outcome(f"signal:{signal.signal_id}", frame))

    def commands(self) -> list[str]:
        """The commands of the journal, like 'Run lookup'."""
        names = []
        for frame in self.journal:
            if messages.is_command(frame.type):
                message = messages.decode_message(frame.type, frame.payload)
                kind = messages.type_name(frame.type).removeprefix("Command: ")
                names.append(f"{kind} {messages.entry_name(frame.type, message)}".strip())
        return names

    def entries(self, kind: MessageType) -> list[Any]:
        return [messages.decode_message(f.type, f.payload) for f in self.journal if f.type == kind]


class _Connection:
    def __init__(self, server: JournalServer) -> None:
        self._server = server
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._decoder = FrameDecoder()
        self._heard = 0
        self._output: pb.OutputCommand | None = None
        self.broken = False

    async def talk(self) -> pb.OutputCommand | None:
        server = self._server
        start = pb.Start(
            id=b"invocation",
            debug_id=server.invocation_id,
            known_entries=len(server.journal),
            random_seed=7,
            key="key",
        )
        body = encode_frame(MessageType.START, start.SerializeToString())
        body += b"".join(encode_frame(f.type, f.payload, f.flags) for f in server.journal)
        self._send(body)
        app = asyncio.ensure_future(server.app(_scope(server), self._receive, self._listen))
        try:
            await self._converse(app)
            await asyncio.wait_for(app, 10)
        finally:
            app.cancel()
        self._settle_proposals()
        if server.suspend_always and server.waiting and self._output is None:
            self._record_next()
        return self._output

    def _settle_proposals(self) -> None:
        """A proposal is journaled when it comes, or lost with its connection, and then the step runs again.

        The SDK's state machine must never hear of both."""
        for outcome in [outcome for outcome in self._server.waiting if outcome.name.startswith("run")]:
            self._server.waiting.remove(outcome)
            if not self.broken and self._output is None:
                self._server.journal.append(outcome.frame)

    async def _converse(self, app: asyncio.Future[Any]) -> None:
        closed = False
        if self._server.suspend_always:
            self._close()
            closed = True
        while not app.done():
            if self.broken:
                self._inbox.put_nowait({"type": "http.disconnect"})
                return
            if not await self._quiet(app) or closed:
                continue
            if self._server.waiting and self._output is None:
                self._deliver()
            elif self._output is not None or not await self._heard_more(app):
                # nothing can come any more: the handler ends or suspends
                self._close()
                closed = True

    def _close(self) -> None:
        self._inbox.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def _quiet(self, app: asyncio.Future[Any]) -> bool:
        heard, quiet = self._heard, 0
        while quiet < _QUIET_ROUNDS and not app.done() and not self.broken:
            await asyncio.sleep(0 if quiet < _QUIET_ROUNDS - 1 else 0.0005)
            quiet = quiet + 1 if heard == self._heard else 0
            heard = self._heard
        return not app.done()

    async def _heard_more(self, app: asyncio.Future[Any]) -> bool:
        heard, until = self._heard, time.monotonic() + self._server.patience_s
        while heard == self._heard and not app.done() and time.monotonic() < until:
            await asyncio.wait((app,), timeout=0.002)
        return heard != self._heard or app.done()

    def _deliver(self) -> None:
        frame = self._record_next()
        if frame is not None:
            self._send(encode_frame(frame.type, frame.payload))

    def _record_next(self) -> Frame | None:
        server = self._server
        at = server.choose([outcome.name for outcome in server.waiting])
        if at < 0:
            return None
        frame = server.waiting.pop(at).frame
        self._record(frame)
        return frame

    def _record(self, frame: Frame) -> None:
        server = self._server
        server.journal.append(frame)
        if len(server.journal) in server.break_after:
            server.break_after.discard(len(server.journal))
            self.broken = True

    def _send(self, body: bytes) -> None:
        self._inbox.put_nowait({"type": "http.request", "body": body, "more_body": True})

    async def _receive(self) -> dict[str, Any]:
        return await self._inbox.get()

    async def _listen(self, event: dict[str, Any]) -> None:
        self._heard += 1
        for frame in self._decoder.feed(event.get("body", b"")):
            if not self.broken:
                self._hear(frame)

    def _hear(self, frame: Frame) -> None:
        server = self._server
        message = messages.decode_message(frame.type, frame.payload)
        if frame.type == MessageType.ERROR:
            server.errors.append(f"[{message.code}] {message.message}\n{message.stacktrace}")
            if not server.retry_errors:
                raise AttemptFailed(server.errors[-1])
        elif frame.type == MessageType.PROPOSE_RUN_COMPLETION:
            self._owe(
                f"run:{message.result_completion_id}",
                MessageType.RUN_COMPLETION,
                message.result_completion_id,
                message,
            )
        elif messages.is_command(frame.type):
            self._record(frame._replace(flags=0))
            self._answer(frame.type, message)

    def _answer(self, kind: int, message: Any) -> None:
        if kind == MessageType.OUTPUT:
            self._output = message
        elif kind == MessageType.SLEEP:
            name = f"sleep:{message.result_completion_id}"
            self._owe(name, MessageType.SLEEP_COMPLETION, message.result_completion_id)
        elif kind == MessageType.CALL:
            notification = pb.Notification(
                completion_id=message.invocation_id_notification_idx, invocation_id="inv_2"
            )
            self._queue("call id", MessageType.CALL_INVOCATION_ID_COMPLETION, notification)
            notification = pb.Notification(
                completion_id=message.result_completion_id, value=pb.Value(content=message.parameter)
            )
            self._queue("call", MessageType.CALL_COMPLETION, notification)
        elif kind == MessageType.GET_LAZY_STATE:
            self._owe("state", MessageType.GET_LAZY_STATE_COMPLETION, message.result_completion_id)

    def _owe(self, name: str, kind: int, completion_id: int, proposal: Any = None) -> None:
        notification = pb.Notification(completion_id=completion_id)
        if proposal is None:
            notification.void.SetInParent()
        elif proposal.WhichOneof("result") == "failure":
            notification.failure.CopyFrom(proposal.failure)
        else:
            notification.value.content = proposal.value
        self._queue(name, kind, notification)

    def _queue(self, name: str, kind: int, notification: Any) -> None:
        self._server.waiting.append(Outcome(name, Frame(kind, 0, notification.SerializeToString())))


def _scope(server: JournalServer) -> dict[str, Any]:
    content_type = f"application/vnd.restate.invocation.v{server.version}".encode()
    return {
        "type": "http",
        "http_version": "2",
        "method": "POST",
        "path": server.path,
        "headers": [
            (b"content-type", content_type),
            *((name.encode(), value.encode()) for name, value in server.attempt_headers.items()),
        ],
    }


def app_of(main: Callable[..., Coroutine[Any, Any, Any]]) -> Any:
    """A restate app with one service that runs `main` durably: `main()`, or `main(ctx)` if it takes a
    parameter.
    """
    service = restate.Service("Durable")

    async def handler(ctx: restate.Context) -> Any:
        takes_context = bool(inspect.signature(main).parameters)
        return await (
            durable.run(ctx, lambda: main(durable.current())) if takes_context else durable.run(ctx, main)
        )

    service.handler("main")(handler)
    return restate.app([service])


def serve(main: Callable[..., Coroutine[Any, Any, Any]], **options: Any) -> JournalServer:
    """A server with one invocation of durable code. See `JournalServer` for the options."""
    return JournalServer(app_of(main), "/invoke/Durable/main", request=b"", **options)


def value_of(output: pb.OutputCommand) -> Any:
    """What the handler returned; a failure is an assertion error."""
    assert output.WhichOneof("result") == "value", output.failure
    return json.loads(output.value.content)
