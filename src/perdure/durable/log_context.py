"""Log records of handlers: none from a replay, and each with the invocation that it is about.

A replay goes through code that logged before. What it logs is dropped, wherever the user's own loggers send
it. A step runs once, and so it always logs.
"""

from __future__ import annotations

import logging
from typing import Any

import restate
from restate.extensions import current_context

from perdure.durable.context import DurableContext, enclosing_step
from perdure.telemetry import trace_context

_NOT_THE_USERS = ("perdure", "restate")


class InvocationLogFilter(logging.Filter):
    """Put it on a `logging.Handler`: `handler.addFilter(InvocationLogFilter())`.

    It drops what a replay logs, and gives other records of a handler the attributes `invocation_id`,
    `service`, `handler`, `attempt` (where the engine tells it), `step` and `trace_id`. `perdure up` and
    `perdure serve` put it on every handler of the root logger.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        context = _handler_context()
        if context is None or hasattr(record, "invocation_id"):
            return True
        step = enclosing_step()
        if step is None and context.vm.is_replaying() and record.name.split(".")[0] not in _NOT_THE_USERS:
            return False
        request = context.request()
        record.invocation_id = request.id
        record.service = context.handler.service_tag.name
        record.handler = context.handler.name
        if (attempt := request.attempt_headers.get(trace_context.ATTEMPT)) is not None:
            record.attempt = int(attempt)
        if step is not None:
            record.step = step.name
        if (trace := trace_context.parse(request.attempt_headers.get(trace_context.TRACEPARENT))) is not None:
            record.trace_id = f"{trace.trace_id:032x}"
        return True


def _handler_context() -> Any:
    try:
        context: restate.Context | None = current_context()
    except LookupError:
        return None
    return context.of_handler if isinstance(context, DurableContext) else context


class FailedAttempts(logging.Filter):
    """For the logger of the SDK that logs the whole stack trace each time that an attempt fails. The engine
    has it in the journal; so here it is one line, or none where the engine logs that line itself."""

    def __init__(self, *, is_told: bool) -> None:
        super().__init__()
        self._is_told = is_told

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or record.msg != "Exception in Restate handler":
            return True
        if self._is_told:
            return False
        record.msg, record.args = "an attempt failed, and the engine will retry it: %r", (error,)
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = None
        return True
