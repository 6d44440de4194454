"""An invocation as JSON, under the column names of restate's `sys_invocation`."""

from __future__ import annotations

from perdure.engine.admin.journal_view import result_fields
from perdure.engine.core.model import Failure
from perdure.engine.storage.invocation_list import Listed
from perdure.engine.times import iso
from perdure.protocol.messages import type_name


def invocation_view(listed: Listed, service_kind: str | None) -> dict[str, object]:
    """Absent fields are omitted. service_kind: as a manifest has it; None: nobody serves it any more."""
    invocation, journal_length, caller, purge_at_ms = listed
    problem, result = invocation.problem, invocation.result
    failure = f"[{result.code}] {result.message}" if isinstance(result, Failure) else None
    view: dict[str, object] = {
        "id": invocation.id,
        "target": str(invocation.target),
        "target_service_name": invocation.target.service,
        "target_service_key": invocation.target.key or None,
        "target_handler_name": invocation.target.handler,
        "target_service_ty": (service_kind or "SERVICE").lower(),
        "status": invocation.status.value,
        "created_at": iso(invocation.created_at_ms),
        "modified_at": iso(invocation.modified_at_ms),
        "scheduled_start_at": iso(invocation.scheduled_at_ms),
        "attempt": invocation.attempt,
        "retry_count": invocation.retry_count,
        "next_retry_at": iso(invocation.next_retry_at_ms),
        "pinned_deployment_id": invocation.deployment_id,
        "idempotency_key": invocation.idempotency_key,
        "scope": invocation.scope,
        "limit_key": invocation.limit_key,
        "invoked_by": "service" if invocation.caller_id else "ingress",
        "invoked_by_id": invocation.caller_id,
        "invoked_by_target": str(caller) if caller else None,
        "restarted_from": invocation.restarted_from,
        "completed_at": iso(invocation.completed_at_ms),
        "completion_retention": _retention(invocation.completed_at_ms, purge_at_ms),
        "completion_result": None if result is None else ("failure" if failure else "success"),
        "completion_failure": failure,
        "journal_size": journal_length,
    }
    if problem is not None and result is None:
        view |= {
            "last_failure": f"[{problem.code}] {problem.message}",
            "last_failure_stacktrace": problem.stacktrace or None,
            "last_failure_related_entry_index": problem.command_index,
            "last_failure_related_entry_name": problem.command_name or None,
            "last_failure_related_entry_type": None
            if problem.command_type is None
            else type_name(problem.command_type),
        }
    view |= dict(result_fields(result))
    return {key: value for key, value in view.items() if value is not None}


def _retention(completed_at_ms: int | None, purge_at_ms: int | None) -> str | None:
    """As ISO 8601 has it: `PT86400S`."""
    if completed_at_ms is None or purge_at_ms is None:
        return None
    return f"PT{max(purge_at_ms - completed_at_ms, 0) / 1000:.3f}".rstrip("0").rstrip(".") + "S"
