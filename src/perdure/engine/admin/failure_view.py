"""A failed attempt as JSON."""

from __future__ import annotations

from perdure.engine.core.model import AttemptFailure
from perdure.engine.times import iso
from perdure.protocol.messages import type_name


def failure_view(failure: AttemptFailure, entry_index: int | None) -> dict[str, object]:
    """entry_index: of the command that it failed at, in the journal. Absent fields are omitted."""
    problem = failure.problem
    view = {
        "failed_at": iso(failure.failed_at_ms),
        "code": problem.code,
        "message": problem.message,
        "stacktrace": problem.stacktrace or None,
        "command_index": problem.command_index,
        "command_name": problem.command_name or None,
        "command_type": None if problem.command_type is None else type_name(problem.command_type),
        "entry_index": entry_index,
    }
    return {key: value for key, value in view.items() if value is not None}
