"""Tables `invocation` and `result_whole`.

Running invocations are kept in memory too: every step of theirs asks for them. Of a long result, `invocation`
has the beginning, which lists show, for the reason for which `journal` has excerpts.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from perdure.engine.core.model import Failure, Invocation, Problem, Status, Success, Target
from perdure.engine.storage.results import decode_result, encode_result

COLUMNS = (
    "id", "service", "handler", "key", "status", "created_at_ms", "modified_at_ms", "attempt",
    "deployment_id", "idempotency_key", "caller_id", "scheduled_at_ms", "awaiting_on", "retry_count",
    "failed_at_length", "next_retry_at_ms", "problem", "result_value", "result_failure", "completed_at_ms",
    "exclusive", "restarted_from", "seed_id", "first_start_at_ms", "last_start_at_ms", "scope", "limit_key",
    "traceparent",
)  # fmt: skip
"""What `decode_invocation` takes, in this order."""

_SELECTED = ", ".join(COLUMNS)
_WRITTEN = (*COLUMNS, "failed")
# What an invocation was made with never changes. It stands in every index, and leaving it alone is what keeps
# an update cheap: SQLite then writes only to the index that has the status.
_MADE_WITH = {"id", "service", "handler", "key", "created_at_ms", "idempotency_key"}
_PUT = (
    f"INSERT INTO invocation ({', '.join(_WRITTEN)}) VALUES ({', '.join('?' * len(_WRITTEN))}) "
    "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _WRITTEN if name not in _MADE_WITH)
)
_GET = f"SELECT {_SELECTED} FROM invocation WHERE id = ?"

RESULT_BYTES_MAX = 64 * 1024
"""Of a result, in `invocation`: a longer one stands in `result_whole`."""
_WHOLE = "SELECT value FROM result_whole WHERE invocation_id = ?"


class Invocations:
    """Reads and writes of the table."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._running: dict[str, Invocation] = {}

    def get(self, invocation_id: str) -> Invocation | None:
        if (running := self._running.get(invocation_id)) is not None:
            return running
        row = self._connection.execute(_GET, (invocation_id,)).fetchone()
        return self._whole(decode_invocation(row)) if row else None

    def put(self, invocation: Invocation) -> None:
        cut = invocation
        match invocation.result:
            case Success(value) if len(value) > RESULT_BYTES_MAX:
                self._connection.execute(
                    "INSERT OR REPLACE INTO result_whole VALUES (?, ?)", (invocation.id, value)
                )
                cut = replace(invocation, result=Success(value[:RESULT_BYTES_MAX]))
        self._connection.execute(_PUT, _encode(cut))
        if invocation.status is Status.RUNNING:
            self._running[invocation.id] = invocation
        else:
            self._running.pop(invocation.id, None)

    def delete(self, invocation_id: str) -> None:
        self._connection.execute("DELETE FROM invocation WHERE id = ?", (invocation_id,))
        self._connection.execute("DELETE FROM result_whole WHERE invocation_id = ?", (invocation_id,))
        self._running.pop(invocation_id, None)

    def is_running(self, invocation_id: str) -> bool:
        return invocation_id in self._running

    def forget(self) -> None:
        """Drop what memory holds: after a rollback only the file is right."""
        self._running.clear()

    def unfinished_ids(self, service: str) -> list[str]:
        """Those of a service that must run again when the engine starts."""
        query = (
            "SELECT id FROM invocation WHERE status <> 'completed' AND service = ? "
            "AND status IN ('running', 'backing-off') ORDER BY created_at_ms, id"
        )
        return [row[0] for row in self._connection.execute(query, (service,))]

    def newest(self, limit: int, status: str | None, service: str | None) -> Iterator[Invocation]:
        """The newest first, filtered."""
        where = [f"{column} = ?" for column, value in (("status", status), ("service", service)) if value]
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        query = f"SELECT {_SELECTED} FROM invocation {condition} ORDER BY created_at_ms DESC, id DESC LIMIT ?"
        values = [value for value in (status, service) if value]
        for row in self._connection.execute(query, (*values, limit)):
            yield self._whole(decode_invocation(row))

    def _whole(self, found: Invocation) -> Invocation:
        match found.result:
            case Success(value) if len(value) == RESULT_BYTES_MAX:
                whole = self._connection.execute(_WHOLE, (found.id,)).fetchone()
                return replace(found, result=Success(whole[0])) if whole else found
        return found


def _encode(invocation: Invocation) -> tuple[object, ...]:
    return (
        invocation.id,
        invocation.target.service,
        invocation.target.handler,
        invocation.target.key,
        invocation.status.value,
        invocation.created_at_ms,
        invocation.modified_at_ms,
        invocation.attempt,
        invocation.deployment_id,
        invocation.idempotency_key,
        invocation.caller_id,
        invocation.scheduled_at_ms,
        invocation.awaiting_on,
        invocation.retry_count,
        invocation.failed_at_length,
        invocation.next_retry_at_ms,
        json.dumps(asdict(invocation.problem)) if invocation.problem else None,
        *encode_result(invocation.result),
        invocation.completed_at_ms,
        invocation.exclusive,
        invocation.restarted_from,
        invocation.seed_id,
        invocation.first_start_at_ms,
        invocation.last_start_at_ms,
        invocation.scope,
        invocation.limit_key,
        invocation.traceparent,
        isinstance(invocation.result, Failure),
    )


def decode_invocation(row: Any) -> Invocation:
    """Of a row of COLUMNS."""
    # The table's columns are typed by the migration; sqlite3 knows nothing of it.
    (
        invocation_id, service, handler, key, status, created, modified, attempt, deployment_id,
        idempotency_key, caller_id, scheduled, awaiting_on, retry_count, failed_at_length, next_retry,
        problem, value, failure, completed, exclusive, restarted_from, seed_id, first_start, last_start,
        scope, limit_key, traceparent,
    ) = row  # fmt: skip
    return Invocation(
        id=invocation_id,
        target=Target(service, handler, key),
        status=Status(status),
        created_at_ms=created,
        modified_at_ms=modified,
        attempt=attempt,
        deployment_id=deployment_id,
        idempotency_key=idempotency_key,
        caller_id=caller_id,
        scheduled_at_ms=scheduled,
        awaiting_on=awaiting_on,
        retry_count=retry_count,
        failed_at_length=failed_at_length,
        next_retry_at_ms=next_retry,
        problem=Problem(**json.loads(problem)) if problem else None,
        result=decode_result(value, failure),
        completed_at_ms=completed,
        exclusive=bool(exclusive),
        restarted_from=restarted_from,
        seed_id=seed_id,
        first_start_at_ms=first_start,
        last_start_at_ms=last_start,
        scope=scope,
        limit_key=limit_key,
        traceparent=traceparent,
    )
