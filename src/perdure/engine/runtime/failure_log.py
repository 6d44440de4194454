"""A failed attempt, as one record of the log. Its stack trace is in the journal, for those who look."""

from __future__ import annotations

import logging

from perdure.engine.core.model import Invocation, Problem, Status
from perdure.engine.runtime.attempt_log import AttemptOver, Outcome

logger = logging.getLogger("perdure.attempts")


class FailureLog:
    """See `attempt_log.Watcher`."""

    def attempt_over(self, over: AttemptOver) -> None:
        now = over.now
        if over.outcome is not Outcome.RETRIED or now is None or now.problem is None:
            return
        paused = now.status is Status.PAUSED
        logger.log(
            logging.ERROR if paused else logging.WARNING,
            "attempt %d failed%s: %s; %s",
            over.invocation.attempt,
            _place(now.problem),
            now.problem.message,
            "paused until somebody resumes it" if paused else f"next try in {_delay(now, over.ended_at_ms)}",
            extra={
                "invocation_id": now.id,
                "service": now.target.service,
                "handler": now.target.handler,
                "attempt": over.invocation.attempt,
                "code": now.problem.code,
                "stacktrace": now.problem.stacktrace,
            },
        )

    def completed(self, invocation: Invocation) -> None: ...


def _place(problem: Problem) -> str:
    """The line of the user's code, if the handler told its stack: the last one of a Python trace."""
    at = f" at {problem.command_name!r}" if problem.command_name else ""
    lines = [line.strip() for line in problem.stacktrace.splitlines() if line.strip().startswith('File "')]
    if not lines:
        return at
    file, line, *function = lines[-1].removeprefix('File "').split(", ")
    name = file.rstrip('"').replace("\\", "/").rpartition("/")[2]
    where = f"{name}:{line.removeprefix('line ')}"
    return f"{at} in {where}{', ' + function[0].removeprefix('in ') if function else ''}"


def _delay(now: Invocation, since_ms: int) -> str:
    delay_ms = max((now.next_retry_at_ms or since_ms) - since_ms, 0)
    return f"{delay_ms} ms" if delay_ms < 1000 else f"{delay_ms / 1000:g} s"
