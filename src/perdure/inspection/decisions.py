"""A human's word on what waits for it. It counts once, and whoever comes second is told who was faster."""

from __future__ import annotations

import asyncio
import time
import uuid

from perdure.errors import RequestError
from perdure.inspection.admin_api import AdminApi
from perdure.inspection.approvals import Approval, Decision, find
from perdure.inspection.awakeables import resolve_awakeable

_RECORDED_WITHIN_S = 10.0


async def decide(
    api: AdminApi,
    approval_id: str,
    *,
    approved: bool,
    message: str | None = None,
    always: bool = False,
    by: str | None = None,
    ingress: str | None = None,
) -> Approval:
    """Decide what is pending, and return it as it was asked.

    message: of a rejection, the model reads it in place of the output. always: later calls of the tool by
    this agent too. ingress: where it is resolved; None: where the engine says that its ingress is.

    Raises RequestError: 404 for an unknown approval, 409 for one that is decided or too late, also by
    another human at the same time; the message tells by whom.
    """
    url = ingress or (await api.about()).ingress_url
    approval = await find(api, approval_id)
    if approval is None:
        raise RequestError(
            404, f"no approval {approval_id!r}: `perdure approvals list` shows what is pending"
        )
    if approval.status != "pending":
        raise RequestError(409, _why_not(approval))
    decision = Decision(approved=approved, always=always, message=message, by=by, id=uuid.uuid4().hex)
    await resolve_awakeable(url, approval_id, decision.model_dump_json().encode())
    recorded = await _recorded(api, approval_id)
    if recorded is not None and recorded.decision != decision:  # another was faster
        raise RequestError(409, _why_not(recorded))
    return approval


async def _recorded(api: AdminApi, approval_id: str) -> Approval | None:
    """The approval once its decision is in the journal; None if that is not kept, or has not come in time."""
    deadline = time.monotonic() + _RECORDED_WITHIN_S
    while time.monotonic() < deadline:
        approval = await find(api, approval_id)
        if approval is None or approval.decided_at is not None:
            return approval
        await asyncio.sleep(0.05)
    return None


def _why_not(approval: Approval) -> str:
    match approval.status:
        case "approved" | "rejected" as status:
            assert approval.decision is not None
            assert approval.decided_at is not None
            at = approval.decided_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
            by, message = approval.decision.by, approval.decision.message
            return (
                f"already decided: {status} at {at}"
                f"{f' by {by}' if by else ''}{f': {message}' if message else ''}"
            )
        case "no decision":
            return "already answered, but by no decision: the run asks anew, see `perdure approvals list`"
        case "expired":
            return (
                f"too late: it was rejected when nobody had decided by {approval.announcement['expires_at']}"
            )
        case _:
            return f"too late: {approval.invocation_id} has ended"
