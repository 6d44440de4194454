"""Types on the wire, and what each decodes to."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.errors import MalformedMessage, ProtocolError, UnknownMessage
from perdure.protocol import messages
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb

# One line a message: the published type, our name for it in tables, and the protobuf message behind it.
TABLE = [
    (0x0000, "Start", pb.Start),
    (0x0001, "Suspension", pb.Suspension),
    (0x0002, "Error", pb.Error),
    (0x0003, "End", pb.End),
    (0x0004, "CommandAck", pb.CommandAck),
    (0x0005, "ProposeRunCompletion", pb.ProposeRunCompletion),
    (0x0006, "AwaitingOn", pb.AwaitingOn),
    (0x0007, "ProposeRunCompletionAck", pb.ProposeRunCompletionAck),
    (0x0400, "Command: Input", pb.InputCommand),
    (0x0401, "Command: Output", pb.OutputCommand),
    (0x0402, "Command: GetLazyState", pb.GetLazyStateCommand),
    (0x0403, "Command: SetState", pb.SetStateCommand),
    (0x0404, "Command: ClearState", pb.ClearStateCommand),
    (0x0405, "Command: ClearAllState", pb.ClearAllStateCommand),
    (0x0406, "Command: GetLazyStateKeys", pb.GetLazyStateKeysCommand),
    (0x0407, "Command: GetEagerState", pb.GetEagerStateCommand),
    (0x0408, "Command: GetEagerStateKeys", pb.GetEagerStateKeysCommand),
    (0x0409, "Command: GetPromise", pb.GetPromiseCommand),
    (0x040A, "Command: PeekPromise", pb.PeekPromiseCommand),
    (0x040B, "Command: CompletePromise", pb.CompletePromiseCommand),
    (0x040C, "Command: Sleep", pb.SleepCommand),
    (0x040D, "Command: Call", pb.CallCommand),
    (0x040E, "Command: OneWayCall", pb.OneWayCallCommand),
    (0x0410, "Command: SendSignal", pb.SendSignalCommand),
    (0x0411, "Command: Run", pb.RunCommand),
    (0x0412, "Command: AttachInvocation", pb.AttachInvocationCommand),
    (0x0413, "Command: GetInvocationOutput", pb.GetInvocationOutputCommand),
    (0x0414, "Command: CompleteAwakeable", pb.CompleteAwakeableCommand),
    (0x8002, "Notification: GetLazyState", pb.Notification),
    (0x8006, "Notification: GetLazyStateKeys", pb.Notification),
    (0x8009, "Notification: GetPromise", pb.Notification),
    (0x800A, "Notification: PeekPromise", pb.Notification),
    (0x800B, "Notification: CompletePromise", pb.Notification),
    (0x800C, "Notification: Sleep", pb.Notification),
    (0x800D, "Notification: Call", pb.Notification),
    (0x800E, "Notification: CallInvocationId", pb.Notification),
    (0x8011, "Notification: Run", pb.Notification),
    (0x8012, "Notification: AttachInvocation", pb.Notification),
    (0x8013, "Notification: GetInvocationOutput", pb.Notification),
    (0xFBFF, "Notification: Signal", pb.Notification),
]


@pytest.mark.parametrize(("kind", "name", "message_class"), TABLE)
def test_every_type_of_the_protocol(kind: int, name: str, message_class: type) -> None:
    assert type(messages.decode_message(kind, b"")) is message_class
    assert messages.type_name(kind) == name
    assert messages.is_command(kind) == name.startswith("Command: ")
    assert messages.is_notification(kind) == name.startswith("Notification: ")


def test_the_table_is_complete() -> None:
    assert {kind for kind, _, _ in TABLE} == set(MessageType)


@pytest.mark.parametrize("kind", [0x0008, 0x03FF, 0x040F, 0x0415, 0x7FFF, 0x8000, 0x8003, 0xFBFE])
def test_a_type_that_no_version_defines_is_refused(kind: int) -> None:
    with pytest.raises(UnknownMessage, match=f"0x{kind:04X} is not in service protocol 5 to 7"):
        messages.decode_message(kind, b"")
    assert messages.type_name(kind) == f"Unknown 0x{kind:04X}"


@pytest.mark.parametrize("kind", [kind for kind, _, _ in TABLE])
def test_a_payload_that_is_another_thing_is_malformed(kind: int) -> None:
    with pytest.raises(MalformedMessage, match=messages.type_name(kind)):
        messages.decode_message(kind, b"\x0a\xff")  # a field that ends before its length


def test_text_that_is_not_utf_8_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        messages.decode_message(MessageType.RUN, b"\x62\x01\xff")


@given(st.integers(0, 0xFFFF), st.binary(max_size=60))
def test_any_bytes_are_a_message_or_a_protocol_error(kind: int, payload: bytes) -> None:
    with suppress(ProtocolError):
        messages.decode_message(kind, payload)


def test_a_custom_command_is_known_by_its_head() -> None:
    payload = pb.RunCommand(result_completion_id=7, name="mine").SerializeToString() + b"\x0a\x03xyz"
    message = messages.decode_message(0xFC01, payload)

    assert (message.result_completion_id, messages.entry_name(0xFC01, message)) == (7, "mine")
    assert messages.type_name(0xFC01) == "Command: Custom 0xFC01"
    assert messages.is_command(0xFC01)
    assert not messages.is_notification(0xFC01)


def test_a_signals_name_is_not_its_entrys_name() -> None:
    message = pb.SendSignalCommand(name="the signal", entry_name="the entry")
    assert messages.entry_name(MessageType.SEND_SIGNAL, message) == "the entry"


def test_an_entry_without_a_name_has_the_empty_one() -> None:
    assert messages.entry_name(MessageType.SLEEP, pb.SleepCommand()) == ""
    assert messages.entry_name(MessageType.SLEEP_COMPLETION, pb.Notification()) == ""


def test_fields_of_a_newer_protocol_are_ignored() -> None:
    newer = pb.RunCommand(result_completion_id=1).SerializeToString() + b"\xfa\x3f\x01x"  # field 1023
    assert messages.decode_message(MessageType.RUN, newer).result_completion_id == 1
