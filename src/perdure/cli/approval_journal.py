"""Approvals as the journals tell them: announced by a run entry, decided by the signal of their awakeable.

Only SQL over the admin API, the same on the embedded engine and on restate-server. Entries are found by the
id of their invocation, so the cost grows with what is under way, and not with what was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from perdure.cli.admin_client import AdminClient
from perdure.cli.terminal import now, parse_time
from perdure.errors import RequestError
from perdure.protocol.ids import decode_awakeable_id

_INVOCATIONS_A_QUERY = 200
_COMPLETION_ID = re.compile(r'"completion_id":(\d+)')

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
    def status(self) -> Status:
        if self.decided_at is not None:
            if self.decision is None:
                return "no decision"
            return "approved" if self.decision.approved else "rejected"
        if self.completed:
            return "ended"
        expires_at = self.announcement.get("expires_at")
        return "expired" if expires_at is not None and parse_time(expires_at) < now() else "pending"


def pending_approvals(client: AdminClient) -> list[Approval]:
    """What waits for a human now, longest first."""
    invocations = client.query("SELECT id, target, status FROM sys_invocation WHERE status <> 'completed'")
    found = (
        approval
        for at in range(0, len(invocations), _INVOCATIONS_A_QUERY)
        for approval in _approvals(client, invocations[at : at + _INVOCATIONS_A_QUERY])
        if approval.status == "pending"
    )
    return sorted(found, key=lambda approval: parse_time(approval.announcement["asked_at"]))


def find_approval(client: AdminClient, awakeable_id: str) -> Approval | None:
    """One approval, whatever became of it; None if no journal that is still kept announces it.

    Raises RequestError(400) for what is no id of an awakeable.
    """
    invocation_id, _ = decode_awakeable_id(awakeable_id)
    invocations = client.query(f"SELECT id, target, status FROM sys_invocation WHERE id = '{invocation_id}'")
    found = (approval for approval in _approvals(client, invocations) if approval.id == awakeable_id)
    return next(found, None)


def _approvals(client: AdminClient, invocations: Iterable[Mapping[str, Any]]) -> Iterator[Approval]:
    by_id = {row["id"]: row for row in invocations}
    announced = _announced(client, by_id) if by_id else {}
    if not announced:
        return
    entries = _entries(client, announced)
    signals: dict[tuple[str, int], Mapping[str, Any]] = {}
    for row in entries:  # in the order of the journal: the first decision is the one that counts
        match row["notification"]:
            case {"Signal": {"id": {"Index": int(index)}}}:
                signals.setdefault((row["id"], index), row)
    for row in entries:
        announcement = _announcement(row["notification"], announced[row["id"]])
        awakeable = None if announcement is None else _awakeable(announcement["awakeable_id"])
        if announcement is None or awakeable is None or awakeable[0] != row["id"]:
            continue
        invocation = by_id[row["id"]]
        signal = signals.get(awakeable)
        yield Approval(
            invocation_id=row["id"],
            target=invocation["target"],
            announcement=announcement,
            decided_at=None if signal is None else parse_time(signal["appended_at"]),
            decision=None if signal is None else _decision(signal["notification"]["Signal"]["result"]),
            completed=invocation["status"] == "completed",
        )


def _announced(client: AdminClient, ids: Iterable[str]) -> dict[str, set[int]]:
    """The completion ids of announcements, by invocation."""
    announced: dict[str, set[int]] = {}
    for row in client.query(
        f"SELECT id, entry_lite_json FROM sys_journal WHERE id IN ({_quoted(ids)}) "
        "AND entry_type = 'Command: Run' AND name LIKE 'approval %'"
    ):
        if found := _COMPLETION_ID.search(row["entry_lite_json"]):
            announced.setdefault(row["id"], set()).add(int(found[1]))
    return announced


def _entries(client: AdminClient, announced: Mapping[str, set[int]]) -> list[dict[str, Any]]:
    """What these invocations announced, and all their signals. Other runs may hold much, and stay there."""
    completions = " OR ".join(
        f"entry_lite_json LIKE '%\"CompletionId\":{number}}}%'"
        for number in sorted(set().union(*announced.values()))
    )
    rows = client.query(
        f"SELECT id, index, entry_json, appended_at FROM sys_journal WHERE id IN ({_quoted(announced)}) "
        "AND (entry_type = 'Notification: Signal' "
        f"OR (entry_type = 'Notification: Run' AND ({completions}))) ORDER BY id, index"
    )
    return [{**row, "notification": json.loads(row["entry_json"])["Notification"]} for row in rows]


def _quoted(ids: Iterable[str]) -> str:
    return ", ".join(f"'{each}'" for each in ids)


def _announcement(notification: Mapping[str, Any], completion_ids: set[int]) -> dict[str, Any] | None:
    """The value of an announcing run; None for other entries, also for a step that only has the name."""
    match notification:
        case {"Completion": {"Run": {"completion_id": number, "result": {"Success": list(content)}}}}:
            match _json(content) if number in completion_ids else None:
                case {"ok": {"awakeable_id": str(), "tool": str(), "asked_at": str()} as announced}:
                    return dict(announced)
    return None


def _awakeable(awakeable_id: str) -> tuple[str, int] | None:
    """Its invocation and the index of its signal; None for what is no id of an awakeable."""
    try:
        return decode_awakeable_id(awakeable_id)
    except RequestError:
        return None


def _decision(result: object) -> Decision | None:
    match result:
        case {"Success": list(content)}:
            try:
                return Decision.model_validate_json(bytes(content))
            except ValidationError:
                return None
        case {"Failure": {"message": str(message)}}:
            return Decision(approved=False, message=message)
        case _:
            return None


def _json(content: list[int]) -> object:
    try:
        return json.loads(bytes(content))
    except ValueError:
        return None
