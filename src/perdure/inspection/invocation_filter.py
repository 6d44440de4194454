"""Which invocations are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

STATUSES = ("scheduled", "pending", "running", "backing-off", "suspended", "paused", "succeeded", "failed")
"""What an invocation's `state` can be. A filter also takes `completed`, for both of the last."""

COUNT_MAX = 10_001
"""A count ends here: it means `more`."""


@dataclass(frozen=True, slots=True)
class InvocationFilter:
    """Which invocations; what is None asks for nothing.

    status: any of these, of STATUSES or `completed`. text: in the id, the target or the idempotency key, in
    letters of either case. Times are aware.
    """

    status: frozenset[str] | None = None
    service: str | None = None
    handler: str | None = None
    key: str | None = None
    text: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


EVERYTHING = InvocationFilter()
