"""What the engine does for each family of journal commands.

`CHECKS` refuse a command before it is journaled; `RULES` act on one that has just been. A command in
neither table (Run, Output, a custom one) is journaled and needs nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.engine.core.actions import Action
from perdure.engine.core.entries import attach, call, promise, signal, sleep, state
from perdure.engine.core.entries.rejection import CommandRejected
from perdure.engine.core.model import Invocation
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import MessageType

Check = Callable[[Any, Invocation, Transaction], None]
Rule = Callable[[Any, Invocation, Transaction, int], list[Action]]

CHECKS: dict[int, Check] = {
    MessageType.CALL: call.check,
    MessageType.ONE_WAY_CALL: call.check,
    MessageType.SEND_SIGNAL: signal.check_signal,
    MessageType.COMPLETE_AWAKEABLE: signal.check_awakeable,
    MessageType.ATTACH_INVOCATION: attach.check,
    MessageType.GET_INVOCATION_OUTPUT: attach.check,
    MessageType.GET_LAZY_STATE: state.check,
    MessageType.GET_LAZY_STATE_KEYS: state.check,
    MessageType.GET_EAGER_STATE: state.check,
    MessageType.GET_EAGER_STATE_KEYS: state.check,
    MessageType.SET_STATE: state.check,
    MessageType.CLEAR_STATE: state.check,
    MessageType.CLEAR_ALL_STATE: state.check,
    MessageType.GET_PROMISE: promise.check,
    MessageType.PEEK_PROMISE: promise.check,
    MessageType.COMPLETE_PROMISE: promise.check,
}

RULES: dict[int, Rule] = {
    MessageType.CALL: call.apply,
    MessageType.ONE_WAY_CALL: call.apply_one_way,
    MessageType.SLEEP: sleep.apply,
    MessageType.SEND_SIGNAL: signal.apply,
    MessageType.COMPLETE_AWAKEABLE: signal.apply_awakeable,
    MessageType.ATTACH_INVOCATION: attach.apply,
    MessageType.GET_INVOCATION_OUTPUT: attach.apply_output,
    MessageType.GET_LAZY_STATE: state.apply_get,
    MessageType.GET_LAZY_STATE_KEYS: state.apply_get_keys,
    MessageType.SET_STATE: state.apply_set,
    MessageType.CLEAR_STATE: state.apply_clear,
    MessageType.CLEAR_ALL_STATE: state.apply_clear_all,
    MessageType.GET_PROMISE: promise.apply_get,
    MessageType.PEEK_PROMISE: promise.apply_peek,
    MessageType.COMPLETE_PROMISE: promise.apply_complete,
}

__all__ = ["CHECKS", "RULES", "CommandRejected"]
