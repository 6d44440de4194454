"""What a handler may send, as frames: the words in which tests write their message scripts.

Values are bytes, failures are `Failure`s; completion ids are the caller's choice, as they are the SDK's.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from perdure.engine.core.model import Failure
from perdure.engine.core.results import encode_failure
from perdure.protocol.frames import REQUESTED_ACK, encode_frame
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb


def frame(kind: int, message: Message, flags: int = 0) -> bytes:
    return encode_frame(kind, message.SerializeToString(), flags)


def run(completion_id: int, name: str = "") -> bytes:
    return frame(MessageType.RUN, pb.RunCommand(result_completion_id=completion_id, name=name))


def propose(completion_id: int, result: bytes | Failure, *, ack: bool = False) -> bytes:
    proposal = pb.ProposeRunCompletion(result_completion_id=completion_id)
    if isinstance(result, Failure):
        proposal.failure.CopyFrom(encode_failure(result))
    else:
        proposal.value = result
    return frame(MessageType.PROPOSE_RUN_COMPLETION, proposal, REQUESTED_ACK if ack else 0)


def sleep(completion_id: int, wake_up_time: int) -> bytes:
    command = pb.SleepCommand(result_completion_id=completion_id, wake_up_time=wake_up_time)
    return frame(MessageType.SLEEP, command)


def call(id_completion: int, completion_id: int, target: str, parameter: bytes = b"", **more: Any) -> bytes:
    """`target` is Service/handler; the two completions are the callee's id and its result."""
    service, handler = target.split("/")
    command = pb.CallCommand(
        service_name=service,
        handler_name=handler,
        parameter=parameter,
        invocation_id_notification_idx=id_completion,
        result_completion_id=completion_id,
        **more,
    )
    return frame(MessageType.CALL, command)


def send(id_completion: int, target: str, parameter: bytes = b"", **more: Any) -> bytes:
    service, handler = target.split("/")
    command = pb.OneWayCallCommand(
        service_name=service,
        handler_name=handler,
        parameter=parameter,
        invocation_id_notification_idx=id_completion,
        **more,
    )
    return frame(MessageType.ONE_WAY_CALL, command)


def attach(completion_id: int, **target: Any) -> bytes:
    command = pb.AttachInvocationCommand(result_completion_id=completion_id, **target)
    return frame(MessageType.ATTACH_INVOCATION, command)


def get_output(completion_id: int, **target: Any) -> bytes:
    command = pb.GetInvocationOutputCommand(result_completion_id=completion_id, **target)
    return frame(MessageType.GET_INVOCATION_OUTPUT, command)


def signal(target_id: str, **more: Any) -> bytes:
    return frame(MessageType.SEND_SIGNAL, pb.SendSignalCommand(target_invocation_id=target_id, **more))


def complete_awakeable(awakeable_id: str, result: bytes | Failure) -> bytes:
    command = pb.CompleteAwakeableCommand(awakeable_id=awakeable_id)
    if isinstance(result, Failure):
        command.failure.CopyFrom(encode_failure(result))
    else:
        command.value.content = result
    return frame(MessageType.COMPLETE_AWAKEABLE, command)


def future(
    *completions: int,
    signals: tuple[int, ...] = (),
    named: tuple[str, ...] = (),
    nested: tuple[pb.Future, ...] = (),
    of: pb.Combinator = pb.FIRST_COMPLETED,
) -> pb.Future:
    """An await point: leaves, inner nodes, and how they combine."""
    return pb.Future(
        waiting_completions=completions,
        waiting_signals=signals,
        waiting_named_signals=named,
        nested_futures=nested,
        combinator_type=of,
    )


def suspend(*completions: int, on: pb.Future | None = None, **more: Any) -> bytes:
    """Version 7 says `on` (or completions of which the first is enough)."""
    return frame(MessageType.SUSPENSION, pb.Suspension(awaiting_on=on or future(*completions, **more)))


def suspend_flat(*completions: int, signals: tuple[int, ...] = (), named: tuple[str, ...] = ()) -> bytes:
    """Versions 5 and 6 say flat lists."""
    suspension = pb.Suspension(
        waiting_completions=completions, waiting_signals=signals, waiting_named_signals=named
    )
    return frame(MessageType.SUSPENSION, suspension)


def awaiting(executing_side_effects: bool = False) -> bytes:
    return frame(MessageType.AWAITING_ON, pb.AwaitingOn(executing_side_effects=executing_side_effects))


def error(message: str = "broken", code: int = 500, **more: Any) -> bytes:
    return frame(MessageType.ERROR, pb.Error(code=code, message=message, **more))


def output(result: bytes | Failure) -> bytes:
    command = pb.OutputCommand()
    if isinstance(result, Failure):
        command.failure.CopyFrom(encode_failure(result))
    else:
        command.value.content = result
    return frame(MessageType.OUTPUT, command)


def end() -> bytes:
    return frame(MessageType.END, pb.End())
