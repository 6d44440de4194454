"""Signals to other invocations, and awakeables, which are signals with an index of their own."""

from __future__ import annotations

from collections.abc import Callable

from perdure.engine.core.actions import Action
from perdure.engine.core.entries.rejection import CommandRejected
from perdure.engine.core.lifecycle import cancel, signals
from perdure.engine.core.model import Invocation, Result
from perdure.engine.core.results import result_of
from perdure.engine.core.transaction import Transaction
from perdure.errors import RequestError
from perdure.protocol.ids import decode_awakeable_id, decode_invocation_id
from perdure.protocol.messages import SIGNAL_CANCEL
from perdure.protocol.proto import service_protocol_pb2 as pb


def check_signal(message: pb.SendSignalCommand, invocation: Invocation, tx: Transaction) -> None:
    """The target must be an invocation id, and the signal have an index or a name."""
    _checked(decode_invocation_id, message.target_invocation_id)
    if message.WhichOneof("signal_id") is None:
        raise CommandRejected(400, "a signal needs an index or a name")


def check_awakeable(message: pb.CompleteAwakeableCommand, invocation: Invocation, tx: Transaction) -> None:
    """The id must be an awakeable's."""
    _checked(decode_awakeable_id, message.awakeable_id)


def apply(
    message: pb.SendSignalCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """Deliver the signal. Index 1 is the request to cancel."""
    target_id = message.target_invocation_id
    if message.WhichOneof("signal_id") == "name":
        return signals.deliver(target_id, message.name, result_of(message), tx, now_ms)
    if message.idx == SIGNAL_CANCEL:
        return cancel.cancel(target_id, tx, now_ms)
    return signals.deliver(target_id, message.idx, result_of(message), tx, now_ms)


def apply_awakeable(
    message: pb.CompleteAwakeableCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """Resolve or reject an awakeable of another invocation (or of this one)."""
    target_id, index = decode_awakeable_id(message.awakeable_id)
    result: Result | None = result_of(message)
    return signals.deliver(target_id, index, result, tx, now_ms)


def _checked(decode: Callable[[str], object], text: str) -> None:
    try:
        decode(text)
    except RequestError as error:
        raise CommandRejected(400, error.message) from None
