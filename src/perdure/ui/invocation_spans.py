"""What the steps of an invocation have come to, and the spans of time that they took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal

from perdure.inspection.records import Invocation, optional_time
from perdure.inspection.step_content import ApprovalAsked, FailedTry
from perdure.ui.invocation_row import Bar, State
from perdure.ui.invocation_tree import Node


class Spans:
    """origin: the beginning of the time line."""

    def __init__(self, invocation: Invocation, origin: datetime, nodes: Sequence[Node]) -> None:
        self._invocation = invocation
        self._origin = origin
        self._began = next((node.step.started_at for node in nodes if node.step.kind != "input"), None)
        self._now = datetime.now(UTC)

    def state(self, node: Node) -> State:
        """What has become of it."""
        step, body = node.step, node.content.body
        is_over = self._invocation.status == "completed"
        if (
            step.kind == "input"
            and self._began is None
            and self._invocation.status in ("scheduled", "pending")
        ):
            return "open"
        if step.completed is False:
            return "never" if is_over else "open"
        if isinstance(body, FailedTry):
            return "failed" if body.retry_in_ms is None else "retried"
        if isinstance(body, ApprovalAsked) and node.decision is None:
            return "done" if self.has_expired(node) else "never" if is_over else "asks"
        return "failed" if step.failure or node.content.failed else "done"

    def has_expired(self, node: Node) -> bool:
        """Whether an approval's time was over before anybody decided."""
        expires_at = expiry(node)
        return node.decision is None and expires_at is not None and expires_at < self._now

    def bars(self, node: Node) -> Iterator[Bar]:
        """One after the other."""
        step = node.step
        start_ms = self._ms(step.started_at)
        if step.kind == "input":
            if self._began is None or self._began > step.started_at:
                yield Bar("queue", start_ms, None if self._began is None else self._ms(self._began))
            return
        if step.kind == "sleep" and step.ended_at is None and step.wake_up_at is not None:
            yield Bar("wait", start_ms, self._end_ms(step.wake_up_at))
            return
        kind: Literal["work", "wait"] = "work" if step.kind == "run" else "wait"
        yield Bar(kind, start_ms, start_ms if step.completed is None else self._end_ms(step.ended_at, kind))
        if isinstance(node.content.body, ApprovalAsked) and step.ended_at is not None:
            decided_at = node.decision.started_at if node.decision is not None else None
            if self.has_expired(node):
                decided_at = expiry(node)
            yield Bar("wait", self._ms(step.ended_at), self._end_ms(decided_at))

    def _end_ms(self, end: datetime | None, kind: str = "wait") -> int | None:
        """None: it lasts. Nothing works in an invocation that does not run."""
        over = self._invocation.completed_at
        if end is None and over is None and kind == "work" and self._invocation.status != "running":
            end = self._invocation.modified_at
        if over is not None and (end is None or end > over):
            end = over
        return None if end is None else self._ms(end)

    def _ms(self, moment: datetime) -> int:
        return round((moment - self._origin).total_seconds() * 1000)


def expiry(node: Node) -> datetime | None:
    """When an approval is rejected by itself; None: it waits for ever."""
    body = node.content.body
    told = body.announcement.get("expires_at") if isinstance(body, ApprovalAsked) else None
    try:
        return optional_time(told)
    except (ValueError, TypeError):
        return None
