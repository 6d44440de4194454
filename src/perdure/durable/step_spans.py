"""A span for each try of a step that this process runs. A replay runs none, so it has none.

A span is current in the step's closure: what its libraries trace is found below it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span
from restate.context import Request

from perdure.durable.context import DurableContext
from perdure.telemetry import names, spans, trace_context
from perdure.telemetry.trace_context import TraceContext

ENCLOSING: list[Callable[[], TraceContext | None]] = []
"""Who may know of a span around the calling code on the loop: one that lives longer than an attempt."""


def place_of(request: Request) -> TraceContext:
    """The span that the handler runs in: of the attempt, where the engine traces, else of the client."""
    header = trace_context.TRACEPARENT
    return (
        trace_context.parse(request.attempt_headers.get(header))
        or trace_context.parse(request.headers.get(header))
        or trace_context.parent_of(request.id, None)
    )


def enter(context: DurableContext, variables: contextvars.Context) -> None:
    """Let what a run traces by itself belong to its attempt."""
    if context.is_traced and (place := place_of(context.request())).span_id:
        variables.run(spans.enter, place)


def start(
    context: DurableContext, name: str, ordinal: int, attempt: int, variables: contextvars.Context
) -> Span | None:
    """The span of a try, current in `variables` from now on; None where nobody traces."""
    if not context.is_traced:
        return None
    request = context.request()
    span = spans.start(
        name,
        variables.run(_parent, request),
        attributes={
            names.INVOCATION_ID: request.id,
            names.STEP: name,
            names.STEP_ORDINAL: ordinal,
            names.STEP_TRY: attempt,
        },
    )
    variables.run(spans.enter, span)
    return span


def end(span: Span | None, envelope: dict[str, Any] | None) -> None:
    """The try has ended with this entry; None: its attempt ended before it did."""
    if span is None:
        return
    if envelope is None:
        spans.fail(span, "the attempt ended")
    elif (misuse := envelope.get("misuse")) is not None:
        spans.fail(span, str(misuse))
    elif (error := envelope.get("error")) is not None:
        span.set_attribute(names.ERROR_TYPE, str(error.get("type", "unknown")))
        spans.fail(span, str(error.get("message", "")))
    span.end()


def _parent(request: Request) -> TraceContext:
    for enclosing in ENCLOSING:
        if (place := enclosing()) is not None:
            return place
    here, attempts = spans.place_of(trace.get_current_span()), place_of(request)
    return here if here.trace_id == attempts.trace_id else attempts
