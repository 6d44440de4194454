"""Steps start in the order in which they were issued.

Of several runs that may start, the SDK's state machine names one after another, in the order of a hash table:
tools that a model asked for together, or guardrails, would begin in another order in each attempt.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from restate.vm import DoProgressExecuteRun, DoProgressWaitExternalProgress


class RunsInOrder:
    """The SDK's state machine; of the runs that may start now, it names the oldest first."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine
        self._answers: deque[Any] = deque()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)

    def do_progress(self, unresolved: Any) -> Any:
        """What there is to do next. The SDK asks again until there is no run to start."""
        if not self._answers:
            runs: list[DoProgressExecuteRun] = []
            while isinstance(answer := self._machine.do_progress(unresolved), DoProgressExecuteRun):
                runs.append(answer)
            self._answers.extend(sorted(runs, key=lambda run: run.handle))
            # Nothing to do but wait: with runs under way that may change before the SDK hears it, and it asks
            # again.
            if not runs or not isinstance(answer, DoProgressWaitExternalProgress):
                self._answers.append(answer)
        return self._answers.popleft()
