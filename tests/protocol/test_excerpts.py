"""Messages with their long fields cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.errors import MalformedMessage, UnknownMessage
from perdure.protocol.excerpts import excerpt
from perdure.protocol.messages import MessageType, decode_message
from perdure.protocol.proto import service_protocol_pb2 as pb


def a_call(parameter: bytes) -> bytes:
    message = pb.CallCommand(
        service_name="S",
        handler_name="h",
        parameter=parameter,
        headers=[pb.Header(key="a", value="b")],
        key="ada",
        invocation_id_notification_idx=1,
        result_completion_id=2,
        name="call",
    )
    return message.SerializeToString()


def test_what_stands_behind_a_long_field_is_kept() -> None:
    payload, sizes = excerpt(MessageType.CALL, a_call(b"x" * 5000), 100)
    assert sizes == {"CallCommand.parameter": 5000}
    assert decode_message(MessageType.CALL, payload) == pb.CallCommand.FromString(a_call(b"x" * 100))


def test_a_field_of_a_message_in_it() -> None:
    whole = pb.Notification(completion_id=3, value=pb.Value(content=b"y" * 300)).SerializeToString()
    payload, sizes = excerpt(MessageType.RUN_COMPLETION, whole, 100)
    assert sizes == {"Value.content": 300}
    cut = pb.Notification(completion_id=3, value=pb.Value(content=b"y" * 100))
    assert decode_message(MessageType.RUN_COMPLETION, payload) == cut


def test_text_is_not_cut_within_a_character() -> None:
    failure = pb.Failure(code=500, message="ß" * 100)
    whole = pb.Notification(completion_id=3, failure=failure).SerializeToString()
    payload, sizes = excerpt(MessageType.RUN_COMPLETION, whole, 101)
    assert sizes == {"Failure.message": 200}
    assert decode_message(MessageType.RUN_COMPLETION, payload).failure.message == "ß" * 50


@given(st.binary(max_size=400), st.integers(0, 500))
def test_what_fits_is_not_touched_and_the_rest_can_be_read(parameter: bytes, bytes_max: int) -> None:
    payload, sizes = excerpt(MessageType.CALL, a_call(parameter), bytes_max)
    message = decode_message(MessageType.CALL, payload)
    assert message.parameter == parameter[:bytes_max]
    assert sizes.get("CallCommand.parameter", len(parameter)) == len(parameter)


@given(st.integers(4, 400))
def test_of_a_beginning_there_is_what_there_is(length: int) -> None:
    beginning = a_call(b"x" * 380)[:length]
    payload, sizes = excerpt(MessageType.CALL, beginning, 3)
    message = decode_message(MessageType.CALL, payload)
    assert message.parameter in (b"", b"x", b"xx", b"xxx")
    if message.parameter:
        assert sizes["CallCommand.parameter"] == 380


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        excerpt(MessageType.CALL, b"\x0b" * 50, 10)
    with pytest.raises(UnknownMessage):
        excerpt(0x7FFF, b"x" * 50, 10)
