"""Table `attempt_failure`: why attempts failed, the newest of each invocation."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict

from perdure.engine.core.model import AttemptFailure, Problem
from perdure.engine.core.transaction import FAILURES_MAX

_ADD = (
    "INSERT INTO attempt_failure (invocation_id, journal_length, failed_at_ms, problem) VALUES (?, ?, ?, ?)"
)
_READ = (
    "SELECT problem, journal_length, failed_at_ms FROM attempt_failure "
    "WHERE invocation_id = ? ORDER BY sequence"
)
_TRIM = (
    "DELETE FROM attempt_failure WHERE invocation_id = ?1 AND sequence <= (SELECT sequence "
    "FROM attempt_failure WHERE invocation_id = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)"
)


class AttemptFailures:
    """Reads and writes of the table."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, invocation_id: str, failure: AttemptFailure) -> None:
        problem = json.dumps(asdict(failure.problem))
        self._connection.execute(_ADD, (invocation_id, failure.journal_length, failure.failed_at_ms, problem))
        self._connection.execute(_TRIM, (invocation_id, FAILURES_MAX))

    def of(self, invocation_id: str) -> list[AttemptFailure]:
        """Oldest first."""
        rows = self._connection.execute(_READ, (invocation_id,))
        return [AttemptFailure(Problem(**json.loads(problem)), *rest) for problem, *rest in rows]

    def delete(self, invocation_id: str) -> None:
        self._connection.execute("DELETE FROM attempt_failure WHERE invocation_id = ?", (invocation_id,))
