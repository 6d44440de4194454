"""The handlers of a test: their conversations are watched, and their times moved to the virtual clock."""

from __future__ import annotations

from asyncio import Future, get_running_loop
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from perdure.engine.transport.asgi import AsgiTransport
from perdure.engine.transport.port import Conversation, Listener
from perdure.protocol.frames import Frame, FrameDecoder, encode_frame
from perdure.protocol.messages import MessageType, is_command
from perdure.protocol.proto import service_protocol_pb2 as pb
from perdure.testing.virtual_clock import VirtualClock

SETTLE_S = 0.003
"""An attempt that runs no step and has been silent for so long is asked to suspend. It may be busy all the
same: then it goes on, and time waits for it."""
SETTLE_S_MAX = 0.5
_JOURNAL_MISMATCH = 570


@dataclass
class Patience:
    """How long an attempt must be silent. It grows when one that was asked to suspend turns out to have been
    busy: on a slow machine, or with a long journal, replays would be cut short one after the other.
    """

    settle_s: float = SETTLE_S

    def was_too_short(self) -> None:
        self.settle_s = min(2 * self.settle_s, SETTLE_S_MAX)


class WatchedTransport(AsgiTransport):
    """A restate app in this process. `conversations` are its open attempts; `mismatch` is done when one of
    them did not do what its journal says, and tells what.
    """

    def __init__(self, app: object, clock: VirtualClock) -> None:
        super().__init__(app)  # type: ignore[arg-type]  # checked by `private_engine`
        self.conversations: set[WatchedConversation] = set()
        self.mismatch: Future[str] = get_running_loop().create_future()
        self._clock = clock
        self._patience = Patience()

    def open(
        self,
        service: str,
        handler: str,
        protocol_version: int,
        headers: Mapping[str, str],
        listener: Listener,
    ) -> Conversation:
        watched = WatchedConversation(listener, self._clock, self.conversations, self._patience)
        watched.failed = lambda error: self._note(f"{service}/{handler}", error)
        watched.handler = super().open(service, handler, protocol_version, headers, watched)
        self.conversations.add(watched)
        return watched

    def _note(self, target: str, error: pb.Error) -> None:
        if error.code == _JOURNAL_MISMATCH and not self.mismatch.done():
            self.mismatch.set_result(f"{target}: [{error.code}] {error.message}")


class WatchedConversation:
    """Stands between the engine and one attempt of a handler."""

    handler: Conversation
    failed: Callable[[pb.Error], None]

    def __init__(
        self,
        engine: Listener,
        clock: VirtualClock,
        open_ones: set[WatchedConversation],
        patience: Patience,
    ) -> None:
        self._engine = engine
        self._patience = patience
        self._asked_to_suspend = False
        self._clock = clock
        self._open_ones = open_ones
        self._from_engine = FrameDecoder()
        self._from_handler = FrameDecoder()
        self._running: set[int] = set()
        self._loop = get_running_loop()
        self._last_word_at = self._loop.time()

    def suspend_if_silent(self) -> None:
        """Ask it to suspend if it runs no step, and neither side has said anything for a while."""
        if self._running or self._loop.time() - self._last_word_at < self._patience.settle_s:
            return
        self._asked_to_suspend = True
        self.write_eof()

    # ---- Conversation, for the engine

    def write(self, data: bytes) -> None:
        self._last_word_at = self._loop.time()
        for frame in self._from_engine.feed(data):
            # A replayed Run without a result runs again, and says nothing until it has one.
            if frame.type == MessageType.RUN:
                self._running.add(pb.RunCommand.FromString(frame.payload).result_completion_id)
            elif frame.type == MessageType.RUN_COMPLETION:
                self._running.discard(pb.Notification.FromString(frame.payload).completion_id)
        self.handler.write(data)

    def write_eof(self) -> None:
        self.handler.write_eof()

    def abort(self) -> None:
        self._open_ones.discard(self)
        self.handler.abort()

    # ---- Listener, for the handler

    def received(self, data: bytes) -> None:
        self._last_word_at = self._loop.time()
        heard = b"".join(self._hear(frame) for frame in self._from_handler.feed(data))
        if heard:
            self._engine.received(heard)

    def closed(self, error: str | None) -> None:
        self._open_ones.discard(self)
        self._engine.closed(error)

    def _hear(self, frame: Frame) -> bytes:
        payload = frame.payload
        if self._asked_to_suspend and (
            is_command(frame.type) or frame.type == MessageType.PROPOSE_RUN_COMPLETION
        ):
            self._asked_to_suspend = False
            self._patience.was_too_short()
        match frame.type:
            case MessageType.RUN:
                self._running.add(pb.RunCommand.FromString(payload).result_completion_id)
            case MessageType.PROPOSE_RUN_COMPLETION:
                self._running.discard(pb.ProposeRunCompletion.FromString(payload).result_completion_id)
            case MessageType.ERROR:
                self.failed(pb.Error.FromString(payload))
            case MessageType.SLEEP:
                sleep = pb.SleepCommand.FromString(payload)
                sleep.wake_up_time += self._clock.ahead_ms
                payload = sleep.SerializeToString()
            case MessageType.ONE_WAY_CALL:
                call = pb.OneWayCallCommand.FromString(payload)
                if call.invoke_time:
                    call.invoke_time += self._clock.ahead_ms
                    payload = call.SerializeToString()
        return encode_frame(frame.type, payload, frame.flags)
