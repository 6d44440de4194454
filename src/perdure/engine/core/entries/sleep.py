"""Sleep: a durable timer that completes the command."""

from __future__ import annotations

from perdure.engine.core.actions import Action, SetTimer
from perdure.engine.core.model import TIME_MS_MAX, Invocation, Timer, TimerKind
from perdure.engine.core.transaction import Transaction
from perdure.protocol.proto import service_protocol_pb2 as pb


def apply(message: pb.SleepCommand, invocation: Invocation, tx: Transaction, now_ms: int) -> list[Action]:
    """Set the timer. One that is due already fires through the same path, so its order is journaled too."""
    at_ms = min(message.wake_up_time, TIME_MS_MAX)
    timer = Timer(at_ms, TimerKind.SLEEP, invocation.id, message.result_completion_id)
    tx.add_timer(timer)
    return [SetTimer(timer)]
