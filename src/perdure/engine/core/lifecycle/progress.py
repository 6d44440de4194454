"""What a running attempt says: its commands and proposals go to the journal, and its end decides."""

from __future__ import annotations

from perdure.engine.core.actions import AbortAttempt, Action, ConfirmRun
from perdure.engine.core.entries import CHECKS, RULES, CommandRejected
from perdure.engine.core.inputs import Progress
from perdure.engine.core.lifecycle import complete, retry, suspend
from perdure.engine.core.model import Entry, Invocation, Problem, Status
from perdure.engine.core.transaction import Transaction
from perdure.protocol.messages import MessageType
from perdure.protocol.session import AttemptFailed, CommandSent, Ended, Event, RunProposed, Suspended


def apply(event: Progress, tx: Transaction, now_ms: int) -> list[Action]:
    """Rule for Progress. An attempt that is not the latest, or was ended from outside, has no say."""
    actions: list[Action] = []
    for said in event.events:
        invocation = tx.invocation(event.id)
        if (
            invocation is None
            or invocation.status is not Status.RUNNING
            or invocation.attempt != event.attempt
        ):
            break
        try:
            actions += _apply_one(said, invocation, tx, now_ms)
        except CommandRejected as rejected:
            problem = Problem(rejected.code, str(rejected))
            actions.append(AbortAttempt(event.id))
            actions += retry.after_failure(invocation, problem, tx, now_ms)
    return actions


def _apply_one(said: Event, invocation: Invocation, tx: Transaction, now_ms: int) -> list[Action]:
    match said:
        case CommandSent(kind, payload, message):
            # Checked before it is journaled: what is in the journal has happened, and replays as such.
            if check := CHECKS.get(kind):
                check(message, invocation, tx)
            tx.append(invocation.id, Entry(kind, payload, now_ms))
            rule = RULES.get(kind)
            return rule(message, invocation, tx, now_ms) if rule else []
        case RunProposed(_, payload, _):
            tx.append(invocation.id, Entry(MessageType.RUN_COMPLETION, payload, now_ms))
            return [ConfirmRun(invocation.id, said)]
        case Suspended(awaiting_on):
            return suspend.apply(invocation, awaiting_on, tx, now_ms)
        case Ended():
            return complete.with_journaled_output(invocation, tx, now_ms)
        case AttemptFailed():
            problem = Problem(
                said.code,
                said.message,
                said.stacktrace,
                said.command_index,
                said.command_name,
                said.command_type,
            )
            return retry.after_failure(
                invocation, problem, tx, now_ms, said.next_retry_delay_ms, said.behavior
            )
        case _:  # Awaiting: a hint for the runtime, nothing to remember
            return []
