"""`state`, `sys_inbox`, `sys_keyed_service_status`, `sys_promise`: what objects and workflows keep."""

from __future__ import annotations

from perdure.engine.introspection.table import BOOL, BYTES, TEXT, TIME, U64, Column, Table

STATE = Table(
    "state",
    "state s",
    (
        Column("scope", TEXT),
        Column("service_name", TEXT, "s.service"),
        Column("service_key", TEXT, "s.key"),
        Column("key", TEXT, "utf8(s.name)"),
        Column("key_length", U64, "length(s.name)"),
        Column("value_utf8", TEXT, "utf8(s.value)"),
        Column("value", BYTES, "s.value"),
        Column("value_length", U64, "length(s.value)"),
    ),
)

SYS_INBOX = Table(
    "sys_inbox",
    "inbox b",
    (
        Column("service_name", TEXT, "b.service"),
        Column("service_key", TEXT, "b.key"),
        Column("id", TEXT, "b.invocation_id"),
        Column("sequence_number", U64, "b.sequence"),
        Column("created_at", TIME, "(SELECT i.created_at_ms FROM invocation i WHERE i.id = b.invocation_id)"),
    ),
)

SYS_KEYED_SERVICE_STATUS = Table(
    "sys_keyed_service_status",
    "lock l",
    (
        Column("service_name", TEXT, "l.service"),
        Column("service_key", TEXT, "l.key"),
        Column("invocation_id", TEXT, "l.invocation_id"),
    ),
)

SYS_PROMISE = Table(
    "sys_promise",
    # A promise that nobody has completed exists for those who wait for it.
    "(SELECT service, key, name, value, failure, 1 AS completed FROM promise UNION ALL "
    "SELECT DISTINCT service, key, name, NULL, NULL, 0 FROM promise_waiter) p",
    (
        Column("scope", TEXT),
        Column("service_name", TEXT, "p.service"),
        Column("service_key", TEXT, "p.key"),
        Column("key", TEXT, "p.name"),
        Column("completed", BOOL, "p.completed"),
        Column("completion_success_value", BYTES, "p.value"),
        Column("completion_success_value_utf8", TEXT, "utf8(p.value)"),
        Column(
            "completion_failure",
            TEXT,
            "'[' || json_extract(p.failure, '$.code') || '] ' || json_extract(p.failure, '$.message')",
        ),
    ),
)
