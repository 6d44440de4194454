"""Which trace an invocation belongs to, and the ids of its spans.

The ids are hashes of the invocation's id: every process comes to the same ones, so a span that began in a
process that died is ended by another, and a handler knows the span of its invocation without being told.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

TRACEPARENT = "traceparent"
"""The header of W3C Trace Context: at the ingress, and on every attempt."""

ATTEMPT = "x-perdure-attempt"
"""The header of an attempt of the embedded engine that has its number."""

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
SAMPLED = 1


class TraceContext(NamedTuple):
    """A span's place: `span_id` 0 is none, at the root of a trace."""

    trace_id: int
    span_id: int
    flags: int = SAMPLED

    def __str__(self) -> str:
        """As the header has it."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.flags:02x}"


def parse(traceparent: str | None) -> TraceContext | None:
    """The header's value; None for one that is missing or, as the standard asks, no traceparent."""
    found = _FORM.fullmatch(traceparent.strip()) if traceparent else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(int(trace_id, 16), int(span_id, 16), int(flags, 16) & SAMPLED)


def parent_of(invocation_id: str, traceparent: str | None) -> TraceContext:
    """What asked for the invocation. Without a traceparent, the root of a trace of its own."""
    return parse(traceparent) or TraceContext(_hash("trace", invocation_id, 16), 0)


def of_invocation(invocation_id: str, traceparent: str | None) -> TraceContext:
    """The span of the invocation."""
    return _span(invocation_id, traceparent, "invocation")


def of_attempt(invocation_id: str, traceparent: str | None, number: int) -> TraceContext:
    """The span of an attempt."""
    return _span(invocation_id, traceparent, f"attempt {number}")


def derived(within: TraceContext, what: str) -> TraceContext:
    """The span that is called `what`, in the same trace."""
    return within._replace(span_id=_hash("span", what, 8))


def _span(invocation_id: str, traceparent: str | None, what: str) -> TraceContext:
    return derived(parent_of(invocation_id, traceparent), f"{what}/{invocation_id}")


def _hash(kind: str, what: str, length_bytes: int) -> int:
    digest = hashlib.sha256(f"{kind}/{what}".encode()).digest()
    return int.from_bytes(digest[:length_bytes], "big") or 1
