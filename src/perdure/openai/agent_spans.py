"""Spans of agents, tools, handoffs and guardrails, made of those of the SDK's own tracing, when they end.

What an attempt began and ended is a child of the attempt; what outlived one is a child of the invocation. A
plain tool is one step, and the step's span is the tool call's; so is a model call's.

Without the SDK's tracing (`OPENAI_AGENTS_DISABLE_TRACING=1`) there are the steps alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agents import get_current_span
from agents.tracing import Span, get_current_trace
from agents.tracing.span_data import (
    AgentSpanData,
    CustomSpanData,
    FunctionSpanData,
    GuardrailSpanData,
    HandoffSpanData,
)

from perdure.durable import step_spans, values
from perdure.openai.tracing import AttemptTrace, attempt_trace
from perdure.telemetry import names, spans, trace_context
from perdure.telemetry.trace_context import TraceContext

_TOLD = (AgentSpanData, FunctionSpanData, HandoffSpanData, GuardrailSpanData, CustomSpanData)


def step_is_the_tool_call() -> None:
    """The tool call that the SDK has opened a span for is one step."""
    attempt, span = attempt_trace(), get_current_span()
    if attempt is not None and span is not None:
        attempt.told_by_steps.add(span.span_id)


def error_of_call() -> values.Json | None:
    """The error of the current span, in the step that the span stands for, as the journal keeps it."""
    span = get_current_span()
    error = span.error if span is not None else None
    if error is None:
        return None
    try:
        plain, _ = values.to_json(dict(error))
        return plain
    except TypeError:
        return {"message": str(error["message"]), "data": None}


def put_error(error: values.Json) -> None:
    """Give the span that is current its error, where another attempt made the step."""
    span = get_current_span()
    if span is not None and span.error is None:
        span.set_error(error)


def tell(span: Span[Any], attempt: AttemptTrace) -> None:
    """It has ended, for the first time."""
    if not spans.is_on() or not _is_told(span, attempt) or not span.started_at or not span.ended_at:
        return
    request = attempt.request
    above = _enclosing(attempt.spans.get(span.parent_id or ""), attempt)
    parent = _place(above, attempt) if above is not None else _home(span, attempt)
    name, attributes = _described(span.span_data)
    attributes[names.INVOCATION_ID] = request.id
    group = getattr(get_current_trace(), "group_id", None)
    if group is not None:
        attributes[names.CONVERSATION_ID] = str(group)
    spans.tell(
        name,
        parent,
        place=_place(span, attempt),
        start_ms=_ms(span.started_at),
        end_ms=_ms(span.ended_at),
        error=span.error["message"] if span.error else None,
        attributes=attributes,
    )


def _around_the_step() -> TraceContext | None:
    attempt, span = attempt_trace(), get_current_span()
    if attempt is None or span is None:
        return None
    above = _enclosing(attempt.spans.get(span.span_id), attempt)
    return _place(above, attempt) if above is not None else None


step_spans.ENCLOSING.append(_around_the_step)


def _is_told(span: Span[Any], attempt: AttemptTrace) -> bool:
    return isinstance(span.span_data, _TOLD) and span.span_id not in attempt.told_by_steps


def _enclosing(span: Span[Any] | None, attempt: AttemptTrace) -> Span[Any] | None:
    """The span itself, or the first around it that is told."""
    while span is not None and not _is_told(span, attempt):
        span = attempt.spans.get(span.parent_id or "")
    return span


def _place(span: Span[Any], attempt: AttemptTrace) -> TraceContext:
    return trace_context.derived(step_spans.place_of(attempt.request), f"{attempt.request.id}/{span.span_id}")


def _home(span: Span[Any], attempt: AttemptTrace) -> TraceContext:
    """Below what a span is that has none of the SDK around it."""
    place = step_spans.place_of(attempt.request)
    its_attempt = attempt.request.attempt_headers.get(trace_context.ATTEMPT)
    if its_attempt is None or span.span_id in attempt.began_here:
        return place
    return trace_context.of_invocation(attempt.request.id, str(place))


def _described(data: Any) -> tuple[str, dict[str, str | int | float | bool]]:
    match data:
        case AgentSpanData():
            return f"invoke_agent {data.name}", {
                names.OPERATION: "invoke_agent",
                names.AGENT_NAME: data.name,
                names.PROVIDER: "openai",
            }
        case FunctionSpanData():
            return f"execute_tool {data.name}", {
                names.OPERATION: "execute_tool",
                names.TOOL_NAME: data.name,
                names.TOOL_TYPE: "function",
            }
        case HandoffSpanData():
            return f"handoff to {data.to_agent}", {}
        case GuardrailSpanData():
            return f"guardrail {data.name}", {"perdure.guardrail.triggered": data.triggered}
    return str(data.name), {}


def _ms(iso: str) -> int:
    return round(datetime.fromisoformat(iso).timestamp() * 1000)
