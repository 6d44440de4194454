"""An approval, and the two bodies that make one: what announces it, and what decides it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from perdure.errors import RequestError
from perdure.inspection.records import time_of
from perdure.protocol.ids import decode_awakeable_id, encode_awakeable_id

STEP_NAME = "approval "
"""How the names of steps begin that announce one."""

Status = Literal["pending", "approved", "rejected", "no decision", "expired", "ended"]


class Decision(BaseModel):
    """The body that resolves an approval's awakeable, as `perdure.openai.Decision` reads it. That one is not
    imported here: it would bring the Agents SDK, which takes two seconds.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    approved: bool
    always: bool = False
    message: str | None = None
    by: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class Approval:
    """One question of a run, and what became of it.

    announcement: see `perdure.openai.approvals.Announcement`.
    decision: what the run took for one; None without a decision, or with an answer that is none.
    """

    invocation_id: str
    target: str
    announcement: Mapping[str, Any]
    decided_at: datetime | None
    decision: Decision | None
    completed: bool

    @property
    def id(self) -> str:
        """Of the awakeable that a decision resolves."""
        return str(self.announcement["awakeable_id"])

    @property
    def tool(self) -> str:
        return str(self.announcement["tool"])

    @property
    def arguments(self) -> Any:
        """As JSON, in Python's own types."""
        return self.announcement.get("arguments")

    @property
    def agents(self) -> tuple[str, ...]:
        """From the run's agent down to the one that calls; empty where code asks by itself."""
        told = self.announcement.get("agents")
        return tuple(map(str, told)) if isinstance(told, list) else ()

    @property
    def reason(self) -> str | None:
        return self._text("reason")

    @property
    def problem(self) -> str | None:
        """What was wrong with the answer before."""
        return self._text("problem")

    def _text(self, name: str) -> str | None:
        told = self.announcement.get(name)
        return told if isinstance(told, str) else None

    @property
    def asked_at(self) -> datetime:
        return time_of(self.announcement["asked_at"])

    @property
    def expires_at(self) -> datetime | None:
        text = self.announcement.get("expires_at")
        return None if text is None else time_of(text)

    @property
    def status(self) -> Status:
        if self.decided_at is not None:
            if self.decision is None:
                return "no decision"
            return "approved" if self.decision.approved else "rejected"
        if self.completed:
            return "ended"
        return "expired" if self.expires_at is not None and self.expires_at < datetime.now(UTC) else "pending"


def announcement_of(content: bytes) -> dict[str, Any] | None:
    """What a step announced, by its journaled result; None for a step that only has the name."""
    match _json(content):
        case {"ok": {"awakeable_id": str(), "tool": str(), "asked_at": str(asked_at)} as announced}:
            times = (asked_at, announced.get("expires_at", asked_at))
            return dict(announced) if all(map(_is_time, times)) else None
    return None


def awaited_by(invocation_id: str, announcement: Mapping[str, Any]) -> dict[str, Any] | None:
    """The announcement, with the id of this invocation's own awakeable; None if it has no id of one.

    An invocation that was restarted has a copy of what another one announced. It waits for its own
    awakeable, which has the same index.
    """
    try:
        _, index = decode_awakeable_id(announcement["awakeable_id"])
    except RequestError:
        return None
    return {**announcement, "awakeable_id": encode_awakeable_id(invocation_id, index)}


def decision_of(content: bytes) -> Decision | None:
    """What an answer decides; None for an answer that is no decision."""
    try:
        return Decision.model_validate_json(content)
    except ValidationError:
        return None


def rejection(message: str) -> Decision:
    """What an awakeable that was rejected decides."""
    return Decision(approved=False, message=message)


def _is_time(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(time_of(text))
    except (ValueError, OverflowError):
        return False


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None
