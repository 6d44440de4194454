"""State and promises: refused until virtual objects and workflows are here."""

from __future__ import annotations

from typing import Any

from perdure.engine.core.entries.rejection import CommandRejected
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import MessageType

COMMANDS = (
    MessageType.GET_LAZY_STATE,
    MessageType.SET_STATE,
    MessageType.CLEAR_STATE,
    MessageType.CLEAR_ALL_STATE,
    MessageType.GET_LAZY_STATE_KEYS,
    MessageType.GET_EAGER_STATE,
    MessageType.GET_EAGER_STATE_KEYS,
    MessageType.GET_PROMISE,
    MessageType.PEEK_PROMISE,
    MessageType.COMPLETE_PROMISE,
)


def check(message: Any, tx: Transaction) -> None:
    """Refuse: a plain service has no state and no promises."""
    name = type(message).__name__.removesuffix("Command")
    raise CommandRejected(501, f"{name}: a plain service has no state and no promises")
