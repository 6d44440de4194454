"""Tracing: where the SDK makes ids, and where it calls the processors of a trace or span."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from agents.tracing import Span, Trace
from agents.tracing.spans import SpanImpl

from perdure.openai import agent_spans
from perdure.openai.compat.point import Point
from perdure.openai.tracing import AttemptTrace, attempt_trace

_PROVIDER = "agents.tracing.provider:DefaultTraceProvider"
_PROCESSORS = "agents.tracing.provider:SynchronousMultiTracingProcessor"


def _attempt() -> AttemptTrace:
    attempt = attempt_trace()
    assert attempt is not None
    return attempt


def _new_id(_original: Any, _provider: Any, *, prefix: str, digits: int) -> str:
    return _attempt().new_id(prefix, digits)


def _trace_starts(original: Any, processors: Any, trace: Trace) -> None:
    _attempt().start(trace.trace_id, partial(original, processors, trace))


def _trace_ends(original: Any, processors: Any, trace: Trace) -> None:
    _attempt().end(trace.trace_id, partial(original, processors, trace))


def _span_starts(original: Any, processors: Any, span: Span[Any]) -> None:
    if isinstance(span, SpanImpl):  # it has its time already, and the processors see it after this
        span._started_at = _attempt().first_started_at(span.span_id, span.started_at or "")
    _attempt().spans[span.span_id] = span
    _attempt().start(span.span_id, partial(original, processors, span))


def _span_ends(original: Any, processors: Any, span: Span[Any]) -> None:
    attempt = _attempt()

    def tell() -> None:
        original(processors, span)
        agent_spans.tell(span, attempt)

    attempt.end(span.span_id, tell)


def in_attempt() -> bool:
    """Whether the calling code belongs to an attempt of an invocation, and not to a step."""
    return attempt_trace() is not None


RELIED_ON: tuple[Point, ...] = ()
REPLACEMENTS: dict[Point, Callable[..., Any]] = {}
# A handler may open its trace around the run, so these hold in handlers too.
IN_ATTEMPTS: dict[Point, Callable[..., Any]] = {
    Point(_PROVIDER, "gen_trace_id"): partial(_new_id, prefix="trace", digits=32),
    Point(_PROVIDER, "gen_span_id"): partial(_new_id, prefix="span", digits=24),
    Point(_PROVIDER, "gen_group_id"): partial(_new_id, prefix="group", digits=24),
    Point(_PROCESSORS, "on_trace_start", "trace"): _trace_starts,
    Point(_PROCESSORS, "on_trace_end", "trace"): _trace_ends,
    Point(_PROCESSORS, "on_span_start", "span"): _span_starts,
    Point(_PROCESSORS, "on_span_end", "span"): _span_ends,
}
