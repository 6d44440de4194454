"""`sys_journal` and `sys_journal_events`.

Entries are kept as they came over the wire; what is in them is decoded by the functions of `sql_functions`,
for the columns that are asked for.
"""

from __future__ import annotations

from perdure.engine.introspection.table import BOOL, BYTES, TEXT, TIME, U32, U64, Column, Table
from perdure.engine.storage.journal import WHOLE_PAYLOAD
from perdure.protocol.messages import MessageType

# The engine journals a callee's id right behind the call.
_CALLEE = (
    "CASE WHEN j.type IN ({}) THEN (SELECT callee_id(n.payload) FROM journal n "
    "WHERE n.invocation_id = j.invocation_id AND n.position = j.position + 1 AND n.type = {}) END"
).format(
    f"{MessageType.CALL:d}, {MessageType.ONE_WAY_CALL:d}", f"{MessageType.CALL_INVOCATION_ID_COMPLETION:d}"
)

_WHOLE = WHOLE_PAYLOAD.format("j")

SYS_JOURNAL = Table(
    "sys_journal",
    "journal j",
    (
        Column("id", TEXT, "j.invocation_id"),
        Column("index", U32, "j.position"),
        Column("entry_type", TEXT, "entry_type(j.type)"),
        Column("name", TEXT, "entry_name(j.type, j.payload)"),
        Column("completed", BOOL),
        Column("invoked_id", TEXT, _CALLEE),
        Column("invoked_target", TEXT, "invoked_target(j.type, j.payload)"),
        Column("sleep_wakeup_at", TIME, "sleep_wakeup_at(j.type, j.payload)"),
        Column("promise_name", TEXT, "promise_name(j.type, j.payload)"),
        Column("raw", BYTES, _WHOLE),
        Column("raw_length", U64, f"length({_WHOLE})"),
        Column("version", U32, "2"),
        Column("entry_json", TEXT, f"entry_json(j.type, {_WHOLE}, {_CALLEE})"),
        Column("entry_lite_json", TEXT, f"entry_lite_json(j.type, j.payload, {_CALLEE})"),
        Column("appended_at", TIME, "j.appended_at_ms"),
    ),
)

SYS_JOURNAL_EVENTS = Table(
    "sys_journal_events",
    "attempt_failure f",
    (
        Column("id", TEXT, "f.invocation_id"),
        Column("after_journal_entry_index", U32, "f.journal_length - 1"),
        Column("appended_at", TIME, "f.failed_at_ms"),
        Column("event_type", TEXT, "'TransientError'"),
        Column("event_json", TEXT, "transient_error_json(f.problem)"),
    ),
)
