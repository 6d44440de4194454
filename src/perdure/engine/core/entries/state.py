"""State of virtual objects and workflows: read lazily, set, clear.

Eager reads (`GetEagerState…`) carry their answer with them: the journal keeps it, and there is nothing to do.
"""

from __future__ import annotations

from typing import Any

from perdure.engine.core.actions import Action
from perdure.engine.core.entries.rejection import CommandRejected
from perdure.engine.core.lifecycle import attempt
from perdure.engine.core.model import Invocation, Success
from perdure.engine.core.results import notification
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import MessageType
from perdure.protocol.proto import service_protocol_pb2 as pb

NAME_BYTES_MAX = 4 * 1024
VALUE_BYTES_MAX = 16 * 1024 * 1024


def check(message: Any, invocation: Invocation, tx: Transaction) -> None:
    """A plain service has no state, a shared handler may only read it, and there are limits."""
    command = type(message).__name__.removesuffix("Command")
    if not invocation.target.key:
        raise CommandRejected(400, f"{command}: a plain service has no state")
    if isinstance(message, pb.SetStateCommand):
        name = message.key.decode(errors="replace")
        if len(message.key) > NAME_BYTES_MAX:
            raise CommandRejected(
                413, f"state key of {len(message.key)} bytes; the limit is {NAME_BYTES_MAX}"
            )
        if len(message.value.content) > VALUE_BYTES_MAX:
            size = len(message.value.content)
            raise CommandRejected(
                413,
                f"state '{name}' of {size} bytes; the limit is {VALUE_BYTES_MAX}",
            )


def apply_get(
    message: pb.GetLazyStateCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """Answer with the value, or with void."""
    target = invocation.target
    value = tx.states.get(target.service, target.key, message.key)
    payload = notification(message.result_completion_id, None if value is None else Success(value))
    return attempt.notify(invocation.id, MessageType.GET_LAZY_STATE_COMPLETION, payload, tx, now_ms)


def apply_get_keys(
    message: pb.GetLazyStateKeysCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """Answer with all names."""
    target = invocation.target
    names = pb.StateKeys(keys=tx.states.names(target.service, target.key))
    answer = pb.Notification(completion_id=message.result_completion_id, state_keys=names)
    return attempt.notify(
        invocation.id, MessageType.GET_LAZY_STATE_KEYS_COMPLETION, answer.SerializeToString(), tx, now_ms
    )


def apply_set(
    message: pb.SetStateCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """Set a value."""
    target = invocation.target
    tx.states.set(target.service, target.key, message.key, message.value.content)
    return []


def apply_clear(
    message: pb.ClearStateCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """Clear a value."""
    tx.states.clear(invocation.target.service, invocation.target.key, message.key)
    return []


def apply_clear_all(
    message: pb.ClearAllStateCommand, invocation: Invocation, tx: Transaction, now_ms: int
) -> list[Action]:
    """Clear all values."""
    tx.states.clear_all(invocation.target.service, invocation.target.key)
    return []
