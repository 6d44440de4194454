"""The engine's spans: the request that made an invocation, the invocation, each of its attempts.

A span of an invocation or attempt is told when it has ended, by whichever process sees that end; when it
began is in the rows. Its place is a function of the invocation's id, so its children need not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import SpanKind

from perdure.engine.core.model import Failure, Invocation, Target
from perdure.engine.runtime.attempt_log import AttemptOver, Outcome
from perdure.telemetry import names, spans, trace_context

_NO_ERROR = (Outcome.SUCCEEDED, Outcome.SUSPENDED)


class EngineSpans:
    """See `attempt_log.Watcher`."""

    def attempt_over(self, over: AttemptOver) -> None:
        if not spans.is_on():
            return
        began = over.invocation
        spans.tell(
            f"attempt {began.attempt}",
            trace_context.of_invocation(began.id, began.traceparent),
            place=trace_context.of_attempt(began.id, began.traceparent, began.attempt),
            start_ms=began.last_start_at_ms or began.created_at_ms,
            end_ms=over.ended_at_ms,
            error=None if over.outcome in _NO_ERROR else _why(over),
            attributes={
                **_about(began.id, began.target),
                names.ATTEMPT: began.attempt,
                names.RETRY_COUNT: began.retry_count,
                names.OUTCOME: over.outcome.value,
            },
        )

    def completed(self, invocation: Invocation) -> None:
        if not spans.is_on():
            return
        failure = invocation.result if isinstance(invocation.result, Failure) else None
        origin = invocation.restarted_from
        spans.tell(
            _route(invocation.target),
            trace_context.parent_of(invocation.id, invocation.traceparent),
            place=trace_context.of_invocation(invocation.id, invocation.traceparent),
            start_ms=invocation.created_at_ms,
            end_ms=invocation.completed_at_ms or invocation.modified_at_ms,
            error=f"{failure.code}: {failure.message}" if failure is not None else None,
            attributes={
                **_about(invocation.id, invocation.target),
                names.ATTEMPT: invocation.attempt,
                names.OUTCOME: "succeeded" if failure is None else "failed",
                **({names.RESTARTED_FROM: origin} if origin is not None else {}),
            },
        )


@contextmanager
def accepting(invocation_id: str, target: Target, traceparent: str | None) -> Iterator[str | None]:
    """A request of the outside is being accepted, in the block. Yields the traceparent for the invocation."""
    if not spans.is_on():
        yield traceparent
        return
    span = spans.start(
        f"accept {_route(target)}",
        trace_context.parent_of(invocation_id, traceparent),
        kind=SpanKind.SERVER,
        attributes=_about(invocation_id, target),
    )
    try:
        yield str(spans.place_of(span))
    except BaseException as error:
        spans.fail(span, str(error))
        raise
    finally:
        span.end()


def _route(target: Target) -> str:
    """The target without its key: names of spans are few."""
    return f"{target.service}/{target.handler}"


def _about(invocation_id: str, target: Target) -> dict[str, str]:
    return {names.INVOCATION_ID: invocation_id, names.TARGET: str(target)}


def _why(over: AttemptOver) -> str:
    if over.outcome is Outcome.LOST:
        return "the process ended"
    if over.outcome is Outcome.CUT or over.now is None:
        return "cut from outside"
    if isinstance(over.now.result, Failure):
        return f"{over.now.result.code}: {over.now.result.message}"
    return over.now.problem.message if over.now.problem is not None else "failed"
