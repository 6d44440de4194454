"""Message types, and what they say.

A journal entry is kept as it came over the wire: its type and its payload. So a replay copies bytes, and
a field that a newer SDK adds survives. The rest of the engine asks this module, not the bytes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from google.protobuf.message import DecodeError, Message

from perdure.errors import MalformedMessage, UnknownMessage
from perdure.protocol.proto import service_protocol_pb2 as pb

VERSION_MIN = 5
VERSION_MAX = 7


class MessageType(IntEnum):
    """The 16-bit type in a frame's header."""

    START = 0x0000
    SUSPENSION = 0x0001
    ERROR = 0x0002
    END = 0x0003
    COMMAND_ACK = 0x0004
    PROPOSE_RUN_COMPLETION = 0x0005
    AWAITING_ON = 0x0006
    PROPOSE_RUN_COMPLETION_ACK = 0x0007

    INPUT = 0x0400
    OUTPUT = 0x0401
    GET_LAZY_STATE = 0x0402
    SET_STATE = 0x0403
    CLEAR_STATE = 0x0404
    CLEAR_ALL_STATE = 0x0405
    GET_LAZY_STATE_KEYS = 0x0406
    GET_EAGER_STATE = 0x0407
    GET_EAGER_STATE_KEYS = 0x0408
    GET_PROMISE = 0x0409
    PEEK_PROMISE = 0x040A
    COMPLETE_PROMISE = 0x040B
    SLEEP = 0x040C
    CALL = 0x040D
    ONE_WAY_CALL = 0x040E
    SEND_SIGNAL = 0x0410
    RUN = 0x0411
    ATTACH_INVOCATION = 0x0412
    GET_INVOCATION_OUTPUT = 0x0413
    COMPLETE_AWAKEABLE = 0x0414

    GET_LAZY_STATE_COMPLETION = 0x8002
    GET_LAZY_STATE_KEYS_COMPLETION = 0x8006
    GET_PROMISE_COMPLETION = 0x8009
    PEEK_PROMISE_COMPLETION = 0x800A
    COMPLETE_PROMISE_COMPLETION = 0x800B
    SLEEP_COMPLETION = 0x800C
    CALL_COMPLETION = 0x800D
    CALL_INVOCATION_ID_COMPLETION = 0x800E
    RUN_COMPLETION = 0x8011
    ATTACH_INVOCATION_COMPLETION = 0x8012
    GET_INVOCATION_OUTPUT_COMPLETION = 0x8013
    SIGNAL = 0xFBFF


COMMAND_FIRST = 0x0400
NOTIFICATION_FIRST = 0x8000
CUSTOM_COMMAND_FIRST = 0xFC00

SIGNAL_CANCEL = 1
"""Signal index by which an invocation is asked to cancel itself."""

_MESSAGES: dict[int, type[Message]] = {
    MessageType.START: pb.Start,
    MessageType.SUSPENSION: pb.Suspension,
    MessageType.ERROR: pb.Error,
    MessageType.END: pb.End,
    MessageType.COMMAND_ACK: pb.CommandAck,
    MessageType.PROPOSE_RUN_COMPLETION: pb.ProposeRunCompletion,
    MessageType.AWAITING_ON: pb.AwaitingOn,
    MessageType.PROPOSE_RUN_COMPLETION_ACK: pb.ProposeRunCompletionAck,
    MessageType.INPUT: pb.InputCommand,
    MessageType.OUTPUT: pb.OutputCommand,
    MessageType.GET_LAZY_STATE: pb.GetLazyStateCommand,
    MessageType.SET_STATE: pb.SetStateCommand,
    MessageType.CLEAR_STATE: pb.ClearStateCommand,
    MessageType.CLEAR_ALL_STATE: pb.ClearAllStateCommand,
    MessageType.GET_LAZY_STATE_KEYS: pb.GetLazyStateKeysCommand,
    MessageType.GET_EAGER_STATE: pb.GetEagerStateCommand,
    MessageType.GET_EAGER_STATE_KEYS: pb.GetEagerStateKeysCommand,
    MessageType.GET_PROMISE: pb.GetPromiseCommand,
    MessageType.PEEK_PROMISE: pb.PeekPromiseCommand,
    MessageType.COMPLETE_PROMISE: pb.CompletePromiseCommand,
    MessageType.SLEEP: pb.SleepCommand,
    MessageType.CALL: pb.CallCommand,
    MessageType.ONE_WAY_CALL: pb.OneWayCallCommand,
    MessageType.SEND_SIGNAL: pb.SendSignalCommand,
    MessageType.RUN: pb.RunCommand,
    MessageType.ATTACH_INVOCATION: pb.AttachInvocationCommand,
    MessageType.GET_INVOCATION_OUTPUT: pb.GetInvocationOutputCommand,
    MessageType.COMPLETE_AWAKEABLE: pb.CompleteAwakeableCommand,
}


def is_command(message_type: int) -> bool:
    """True for commands, custom ones (0xFC00 and above) included."""
    return COMMAND_FIRST <= message_type < NOTIFICATION_FIRST or message_type >= CUSTOM_COMMAND_FIRST


def is_notification(message_type: int) -> bool:
    """True for completions and signals."""
    return NOTIFICATION_FIRST <= message_type < CUSTOM_COMMAND_FIRST


def decode_message(message_type: int, payload: bytes) -> Any:
    """The protobuf message in `payload`; a custom command decodes to its head (id and name) alone.

    Raises:
        UnknownMessage: no version that we speak defines `message_type`.
        MalformedMessage: the payload is not that message.
    """
    try:
        return message_class(message_type).FromString(payload)
    except DecodeError as error:
        raise MalformedMessage(f"{type_name(message_type)}: the payload does not parse: {error}") from error


def message_class(message_type: int) -> type[Message]:
    """Of messages of this type. Raises UnknownMessage."""
    if message_type >= CUSTOM_COMMAND_FIRST:
        return pb.CommandHead
    if is_notification(message_type) and message_type in _NOTIFICATION_TYPES:
        return pb.Notification
    if message_type in _MESSAGES:
        return _MESSAGES[message_type]
    raise UnknownMessage(f"message type 0x{message_type:04X} is not in service protocol 5 to 7")


_NOTIFICATION_TYPES = frozenset(t for t in MessageType if is_notification(t))


def entry_name(message_type: int, message: Any) -> str:
    """The name that user code gave the command, or ''."""
    if message_type in (MessageType.SEND_SIGNAL,):
        return str(message.entry_name)
    return str(getattr(message, "name", ""))


def type_name(message_type: int) -> str:
    """How people and the introspection tables call an entry: 'Command: Run', 'Notification: Sleep'."""
    if message_type >= CUSTOM_COMMAND_FIRST:
        return f"Command: Custom 0x{message_type:04X}"
    try:
        name = "".join(word.capitalize() for word in MessageType(message_type).name.split("_"))
    except ValueError:
        return f"Unknown 0x{message_type:04X}"
    if is_command(message_type):
        return f"Command: {name}"
    return f"Notification: {name.removesuffix('Completion')}" if is_notification(message_type) else name
