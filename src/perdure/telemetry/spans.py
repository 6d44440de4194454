"""Spans with places that we choose: told when they have ended, or begun and ended in one process.

OpenTelemetry makes span ids by chance. Ours come from the invocation, so that any process can end what
another one began: the SDK asks a tracer's `id_generator` for ids, and that of our tracer answers with ours.

Where no SDK is configured, `is_on()` is False, and nothing else here is called.
"""

from __future__ import annotations

import contextvars
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, attach
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    NoOpTracerProvider,
    ProxyTracerProvider,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TracerProvider,
)

from perdure.telemetry.trace_context import TraceContext

Attributes = Mapping[str, str | int | float | bool]

_given: contextvars.ContextVar[TraceContext | None] = contextvars.ContextVar("perdure_span_id", default=None)
_tracers: weakref.WeakKeyDictionary[TracerProvider, Tracer] = weakref.WeakKeyDictionary()
_MS = 1_000_000


def is_on() -> bool:
    """Whether somebody has configured OpenTelemetry in this process."""
    return not isinstance(trace.get_tracer_provider(), ProxyTracerProvider | NoOpTracerProvider)


def start(
    name: str,
    parent: TraceContext,
    *,
    place: TraceContext | None = None,
    start_ms: int | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    links: Sequence[TraceContext] = (),
) -> Span:
    """A span that begins, now or at `start_ms`. `place` None: with an id of its own."""
    around = Context() if parent.span_id == 0 else trace.set_span_in_context(_remote(parent), Context())
    with _giving(place or parent._replace(span_id=0)):
        return _tracer().start_span(
            name,
            context=around,
            kind=kind,
            attributes=attributes,
            links=[Link(_remote(link).get_span_context()) for link in links],
            start_time=None if start_ms is None else start_ms * _MS,
        )


def tell(
    name: str,
    parent: TraceContext,
    *,
    place: TraceContext,
    start_ms: int,
    end_ms: int,
    error: str | None = None,
    attributes: Attributes | None = None,
    links: Sequence[TraceContext] = (),
) -> None:
    """A span that has ended. `error`: it failed, and why."""
    span = start(name, parent, place=place, start_ms=start_ms, attributes=attributes, links=links)
    if error is not None:
        fail(span, error)
    span.end(end_ms * _MS)


def fail(span: Span, error: str) -> None:
    span.set_status(Status(StatusCode.ERROR, error))


def place_of(span: Span) -> TraceContext:
    """Where a span is."""
    context = span.get_span_context()
    return TraceContext(context.trace_id, context.span_id, context.trace_flags & TraceFlags.SAMPLED)


def enter(span: Span | TraceContext) -> None:
    """Let it be the parent of the spans that the calling contextvars begin."""
    attach(trace.set_span_in_context(_remote(span) if isinstance(span, TraceContext) else span))


def _remote(place: TraceContext) -> Span:
    return NonRecordingSpan(
        SpanContext(place.trace_id, place.span_id, is_remote=True, trace_flags=TraceFlags(place.flags))
    )


def _tracer() -> Tracer:
    provider = trace.get_tracer_provider()
    if (tracer := _tracers.get(provider)) is None:
        tracer = _tracers[provider] = provider.get_tracer("perdure")
        if (chance := getattr(tracer, "id_generator", None)) is not None:
            tracer.id_generator = _GivenIds(chance)  # type: ignore[attr-defined]
    return tracer


@contextmanager
def _giving(place: TraceContext) -> Iterator[None]:
    token = _given.set(place)
    try:
        yield
    finally:
        _given.reset(token)


class _GivenIds:
    """The SDK's IdGenerator, which answers with the place of the span that is being started."""

    def __init__(self, chance: Any) -> None:
        self._chance = chance

    def generate_span_id(self) -> int:
        given = _given.get()
        return given.span_id if given is not None and given.span_id else int(self._chance.generate_span_id())

    def generate_trace_id(self) -> int:
        given = _given.get()
        return given.trace_id if given is not None else int(self._chance.generate_trace_id())

    def is_trace_id_random(self) -> bool:
        return False
