"""`sys_invocation_status`, `sys_invocation_state`, and `sys_invocation`, which is both in one.

On restate-server the state is what the invoker knows of an invocation that it runs or is about to run again;
here it is in the same row, and shown in the same statuses.
"""

from __future__ import annotations

from perdure.engine.introspection.table import BOOL, DURATION, NUMBERS, TEXT, TIME, U32, U64, Column, Table

_SOURCE = "invocation i"
_CALLER = "SELECT {} FROM invocation c WHERE c.id = i.caller_id"
_TARGET = (
    "CASE {0}.key WHEN '' THEN {0}.service || '/' || {0}.handler "
    "ELSE {0}.service || '/' || {0}.key || '/' || {0}.handler END"
)
_JOURNAL_SIZE = "SELECT count(*) FROM journal j WHERE j.invocation_id = i.id"
_STARTED = "CASE WHEN i.first_start_at_ms IS NOT NULL THEN ({}) END"
# An invocation is purged with its journal. Once it has completed, its timer knows when.
_RETENTION = (
    "coalesce((SELECT t.at_ms - i.completed_at_ms FROM timer t "
    "WHERE t.invocation_id = i.id AND t.kind = 'purge'), "
    "retention_ms(i.service, i.handler, i.idempotency_key IS NOT NULL))"
)
_IS_INVOKED = "i.status IN ('running', 'backing-off')"


def _problem(member: str) -> str:
    return f"CASE WHEN {_IS_INVOKED} THEN json_extract(i.problem, '$.{member}') END"


def _failure(source: str) -> str:
    return f"'[' || json_extract({source}, '$.code') || '] ' || json_extract({source}, '$.message')"


_STATUS = Column(
    "status",
    TEXT,
    "CASE WHEN i.status IN ('running', 'backing-off') THEN 'invoked' "
    "WHEN i.status = 'pending' THEN 'inboxed' ELSE i.status END",
)

_OUTCOME = (
    Column(
        "completion_result",
        TEXT,
        "CASE WHEN i.status = 'completed' THEN iif(i.result_failure IS NULL, 'success', 'failure') END",
    ),
    Column("completion_failure", TEXT, _failure("i.result_failure")),
)

_WHAT = (
    Column("target", TEXT, _TARGET.format("i")),
    Column("target_service_name", TEXT, "i.service"),
    Column("target_service_key", TEXT, "nullif(i.key, '')"),
    Column("target_handler_name", TEXT, "i.handler"),
    Column("target_service_ty", TEXT, "service_type(i.service)"),
    Column("scope", TEXT, "i.scope"),
    Column("limit_key", TEXT, "i.limit_key"),
    Column("idempotency_key", TEXT, "i.idempotency_key"),
    Column(
        "invoked_by",
        TEXT,
        "CASE WHEN i.restarted_from IS NOT NULL THEN 'restart_as_new' "
        "WHEN i.caller_id IS NULL THEN 'ingress' ELSE 'service' END",
    ),
    Column("invoked_by_service_name", TEXT, f"({_CALLER.format('c.service')})"),
    Column("invoked_by_id", TEXT, "i.caller_id"),
    Column("invoked_by_subscription_id", TEXT),
    Column("invoked_by_target", TEXT, f"({_CALLER.format(_TARGET.format('c'))})"),
    Column("restarted_from", TEXT, "i.restarted_from"),
    Column("pinned_deployment_id", TEXT, "i.deployment_id"),
    Column("pinned_service_protocol_version", U32, "protocol_version(i.deployment_id)"),
    Column("trace_id", TEXT, "trace_id(i.id, i.traceparent)"),
    Column("journal_size", U32, _STARTED.format(_JOURNAL_SIZE)),
    Column("journal_commands_size", U32, _STARTED.format(f"{_JOURNAL_SIZE} AND is_command(j.type)")),
    Column("created_at", TIME, "i.created_at_ms"),
    Column("created_using_restate_version", TEXT),
    Column("modified_at", TIME, "i.modified_at_ms"),
    Column("inboxed_at", TIME, "CASE i.status WHEN 'pending' THEN i.modified_at_ms END"),
    Column("scheduled_at", TIME, "iif(i.scheduled_at_ms IS NULL, NULL, i.created_at_ms)"),
    Column("scheduled_start_at", TIME, "i.scheduled_at_ms"),
    Column("running_at", TIME, "i.first_start_at_ms"),
    Column("completed_at", TIME, "i.completed_at_ms"),
    Column("completion_retention", DURATION, _RETENTION),
    Column("journal_retention", DURATION, _RETENTION),
    Column("suspended_waiting_for_completions", NUMBERS, "awaited_completions(i.awaiting_on)"),
    Column("suspended_waiting_for_signals", NUMBERS, "awaited_signals(i.awaiting_on)"),
    Column("suspended_waiting_future_json", TEXT),
)

_STATE = (
    Column("in_flight", BOOL, "i.status = 'running'"),
    # As there: an attempt under way counts already.
    Column(
        "retry_count",
        U64,
        "CASE i.status WHEN 'running' THEN i.retry_count + 1 WHEN 'backing-off' THEN i.retry_count END",
    ),
    Column("last_start_at", TIME, f"CASE WHEN {_IS_INVOKED} THEN i.last_start_at_ms END"),
    Column("next_retry_at", TIME, "i.next_retry_at_ms"),
    Column("last_attempt_deployment_id", TEXT, f"CASE WHEN {_IS_INVOKED} THEN i.deployment_id END"),
    Column(
        "last_attempt_server",
        TEXT,
        f"CASE WHEN {_IS_INVOKED} "
        "THEN (SELECT d.sdk_version FROM deployment d WHERE d.id = i.deployment_id) END",
    ),
    Column(
        "last_failure",
        TEXT,
        f"CASE WHEN {_IS_INVOKED} THEN {_failure('i.problem')} "
        "|| iif(json_extract(i.problem, '$.stacktrace') = '', '', "
        "char(10) || json_extract(i.problem, '$.stacktrace')) END",
    ),
    Column("last_failure_error_code", TEXT),
    Column("last_failure_related_entry_index", U64),
    Column("last_failure_related_entry_name", TEXT),
    Column("last_failure_related_entry_type", TEXT),
    Column("last_failure_related_command_index", U64, _problem("command_index")),
    Column("last_failure_related_command_name", TEXT, f"nullif({_problem('command_name')}, '')"),
    Column("last_failure_related_command_type", TEXT, f"entry_type({_problem('command_type')})"),
    Column("last_awaiting_on_future_json", TEXT),
)

_ID = Column("id", TEXT, "i.id")
_VQUEUE = Column("vqueue_id", TEXT)

SYS_INVOCATION_STATUS = Table("sys_invocation_status", _SOURCE, (_ID, _VQUEUE, _STATUS, *_OUTCOME, *_WHAT))
SYS_INVOCATION_STATE = Table(
    "sys_invocation_state",
    f"(SELECT * FROM invocation i WHERE i.status <> 'completed' AND {_IS_INVOKED}) i",
    (_ID, *_STATE),
)
SYS_INVOCATION = Table(
    "sys_invocation",
    _SOURCE,
    (
        _ID,
        _VQUEUE,
        *_WHAT,
        *(column for column in _STATE if column.name != "in_flight"),
        Column("status", TEXT, "i.status"),
        *_OUTCOME,
    ),
)
