"""One attempt's conversation with a handler, from the runtime's side.

    runtime                                     handler
      Start, then the journal so far  ──────▶   replays it
                                      ◀──────   commands, proposed run results, what it awaits
      notifications, acks             ──────▶
                                      ◀──────   one of Suspension, Error, End; then nothing

The session checks that order and turns bytes into events. It does no I/O and keeps no journal: the caller
stores what the events say, and sends what the session encodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from perdure.errors import ProtocolViolation
from perdure.protocol import messages
from perdure.protocol.frames import PAYLOAD_BYTES_MAX, REQUESTED_ACK, FrameDecoder, encode_frame
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb


@dataclass(frozen=True, slots=True)
class CommandSent:
    """The handler appends a command. `message` is the decoded `payload`."""

    type: int
    payload: bytes
    message: Any


@dataclass(frozen=True, slots=True)
class RunProposed:
    """The handler proposes the result of a run; `payload` is the notification to journal."""

    completion_id: int
    payload: bytes
    ack_requested: bool


@dataclass(frozen=True, slots=True)
class Awaiting:
    """A hint: what user code waits for, and whether run closures are executing meanwhile."""

    executing_side_effects: bool


@dataclass(frozen=True, slots=True)
class Suspended:
    """The attempt ended: go on when `awaiting_on` (a serialised Future) may be unblocked."""

    awaiting_on: bytes


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The attempt ended with an error. `behavior` is RETRY, PAUSE or FAIL of the protocol."""

    code: int
    message: str
    stacktrace: str = ""
    command_index: int | None = None
    command_name: str | None = None
    command_type: int | None = None
    next_retry_delay_ms: int | None = None
    behavior: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt ended, and with it the invocation: its output is in the journal."""


Event = CommandSent | RunProposed | Awaiting | Suspended | AttemptFailed | Ended
Terminator = Suspended | AttemptFailed | Ended


class AttemptSession:
    """Encodes what the runtime says, decodes and checks what the handler says.

    Raises (from `receive` and `receive_end`): the subclasses of ProtocolError. After one of them the
    attempt is over; the caller ends it as failed with code 571.
    """

    __slots__ = ("_decoder", "_output_seen", "_version", "ended")

    def __init__(self, version: int, payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> None:
        self._version = version
        self._decoder = FrameDecoder(payload_bytes_max)
        self._output_seen = False
        self.ended = False
        """A terminator has been received: nothing may follow."""

    # ---- runtime to handler

    def start(self, start: pb.Start, journal: Iterable[tuple[int, bytes]]) -> bytes:
        """The opening bytes: Start, then every journal entry as (type, payload), in order."""
        frames: list[bytes] = []
        for kind, payload in journal:
            frames.append(encode_frame(kind, payload))
            # An attempt may die between its output and its end: the next one replays the output.
            self._output_seen = self._output_seen or kind == MessageType.OUTPUT
        start.known_entries = len(frames)
        return encode_frame(MessageType.START, start.SerializeToString()) + b"".join(frames)

    def notification(self, message_type: int, payload: bytes) -> bytes:
        """A notification that has just been journaled."""
        return encode_frame(message_type, payload)

    def run_stored(self, proposed: RunProposed) -> bytes:
        """The answer to a proposal that has just been journaled.

        Version 7 may ask for a short ack instead of its own result; earlier ones always get the result.
        """
        if self._version >= 7 and proposed.ack_requested:
            ack = pb.ProposeRunCompletionAck(completion_id=proposed.completion_id)
            return encode_frame(MessageType.PROPOSE_RUN_COMPLETION_ACK, ack.SerializeToString())
        return encode_frame(MessageType.RUN_COMPLETION, proposed.payload)

    # ---- handler to runtime

    def receive(self, data: bytes) -> list[Event]:
        """The events in these bytes, in order."""
        events: list[Event] = []
        for kind, flags, payload in self._decoder.feed(data):
            if self.ended:
                raise ProtocolViolation(f"{messages.type_name(kind)} after the end of the attempt")
            message = messages.decode_message(kind, payload)
            if messages.is_command(kind):
                events.append(self._command(kind, payload, message))
            else:
                events.append(self._control(kind, flags, message))
        return events

    def receive_end(self) -> AttemptFailed | None:
        """The handler closed its side. Without a terminator that is a failure of the attempt."""
        self._decoder.end()
        if self.ended:
            return None
        self.ended = True
        return AttemptFailed(500, "the handler closed the stream without saying how the attempt ended")

    def _command(self, kind: int, payload: bytes, message: Any) -> CommandSent:
        if self._output_seen:
            raise ProtocolViolation(f"{messages.type_name(kind)} after the output")
        if kind == MessageType.INPUT:
            raise ProtocolViolation("a handler must not send an Input command: the runtime writes it")
        self._output_seen = kind == MessageType.OUTPUT
        if self._output_seen and message.WhichOneof("result") is None:
            raise ProtocolViolation("the output has no result: it must be a value or a failure")
        return CommandSent(kind, payload, message)

    def _control(self, kind: int, flags: int, message: Any) -> Event:
        match kind:
            case MessageType.PROPOSE_RUN_COMPLETION:
                return _proposal(message, bool(flags & REQUESTED_ACK))
            case MessageType.AWAITING_ON:
                return Awaiting(message.executing_side_effects)
            case MessageType.SUSPENSION:
                self.ended = True
                return Suspended(_await_point(message).SerializeToString())
            case MessageType.ERROR:
                self.ended = True
                return _failure(message)
            case MessageType.END:
                self.ended = True
                if not self._output_seen:
                    raise ProtocolViolation("End without an output")
                return Ended()
            case _:
                raise ProtocolViolation(f"a handler must not send {messages.type_name(kind)}")


def _proposal(message: pb.ProposeRunCompletion, ack_requested: bool) -> RunProposed:
    completion_id = message.result_completion_id
    match message.WhichOneof("result"):
        case "value":
            notification = pb.Notification(completion_id=completion_id, value=pb.Value(content=message.value))
        case "failure":
            notification = pb.Notification(completion_id=completion_id, failure=message.failure)
        case _:
            raise ProtocolViolation(f"the proposed completion {completion_id} of a run has no result")
    return RunProposed(completion_id, notification.SerializeToString(), ack_requested)


def _await_point(message: pb.Suspension) -> pb.Future:
    """Versions 5 and 6 send flat lists, which mean: go on at the first of any of these."""
    flat = (message.waiting_completions, message.waiting_signals, message.waiting_named_signals)
    future = (
        message.awaiting_on
        if message.HasField("awaiting_on")
        else pb.Future(
            waiting_completions=flat[0],
            waiting_signals=flat[1],
            waiting_named_signals=flat[2],
            combinator_type=pb.FIRST_COMPLETED,
        )
    )
    if not _has_leaf(future):
        raise ProtocolViolation("a suspension that awaits nothing would never end")
    return future


def _has_leaf(future: pb.Future) -> bool:
    leaves = (future.waiting_completions, future.waiting_signals, future.waiting_named_signals)
    return any(leaves) or any(_has_leaf(nested) for nested in future.nested_futures)


def _failure(message: pb.Error) -> AttemptFailed:
    def optional(name: str) -> Any:
        return getattr(message, name) if message.HasField(name) else None

    return AttemptFailed(
        code=message.code,
        message=message.message,
        stacktrace=message.stacktrace,
        command_index=optional("related_command_index"),
        command_name=optional("related_command_name"),
        command_type=optional("related_command_type"),
        next_retry_delay_ms=optional("next_retry_delay"),
        behavior=message.behavior,
    )
