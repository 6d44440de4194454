"""Results, to and from their protobuf forms."""

from __future__ import annotations

from typing import Any

from perdure.engine.core.model import Failure, Result, Success
from perdure.protocol.proto import service_protocol_pb2 as pb


def encode_failure(failure: Failure) -> pb.Failure:
    """The wire form of a terminal failure."""
    metadata = [pb.FailureMetadata(key=key, value=value) for key, value in failure.metadata]
    return pb.Failure(code=failure.code, message=failure.message, metadata=metadata)


def decode_failure(failure: pb.Failure) -> Failure:
    """The reverse of `encode_failure`."""
    return Failure(failure.code, failure.message, tuple((m.key, m.value) for m in failure.metadata))


def result_of(message: Any) -> Result | None:
    """The `result` of any message that has one: a value, a failure, or None for void."""
    match message.WhichOneof("result"):
        case "value":
            return Success(message.value.content)
        case "failure":
            return decode_failure(message.failure)
        case _:
            return None


def notification(notification_id: int | str, result: Result | None, *, signal: bool = False) -> bytes:
    """A serialised notification: a completion by id, or a signal by index or name. None is void."""
    message = pb.Notification()
    if isinstance(notification_id, str):
        message.signal_name = notification_id
    elif signal:
        message.signal_id = notification_id
    else:
        message.completion_id = notification_id
    match result:
        case Success(value):
            message.value.content = value
        case Failure():
            message.failure.CopyFrom(encode_failure(result))
        case None:
            message.void.SetInParent()
    return message.SerializeToString()
