"""The dispatch table of the engine, and nothing else: which rule answers which input, and which command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.engine.core.actions import Action
from perdure.engine.core.inputs import (
    Cancel,
    CompletePromise,
    Input,
    Invoke,
    Kill,
    Pause,
    Progress,
    Publish,
    Purge,
    Recover,
    Restart,
    Resume,
    Signal,
    TimerFired,
    WriteState,
)
from perdure.engine.core.lifecycle import (
    cancel,
    invoke,
    kill,
    pause,
    progress,
    promises,
    publish,
    purge,
    restart,
    resume,
    timer,
    write_state,
)
from perdure.engine.core.transaction import Transaction

_RULES: dict[type[Input], Callable[[Any, Transaction, int], list[Action]]] = {
    Invoke: invoke.apply,
    Progress: progress.apply,
    Publish: publish.apply,
    TimerFired: timer.apply,
    Signal: resume.apply_signal,
    CompletePromise: promises.apply,
    Cancel: cancel.apply,
    Kill: kill.apply,
    Pause: pause.apply,
    Resume: resume.apply,
    Purge: purge.apply,
    Restart: restart.apply,
    WriteState: write_state.apply,
    Recover: resume.apply_recover,
}


def apply(event: Input, tx: Transaction, now_ms: int) -> list[Action]:
    """Apply one input. Reads and writes only `tx`; the actions are for after its commit."""
    return _RULES[type(event)](event, tx, now_ms)
