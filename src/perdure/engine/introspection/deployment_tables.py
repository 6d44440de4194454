"""`sys_deployment` and `sys_service`, out of the manifests; and tables of what this engine does not have."""

from __future__ import annotations

from perdure.engine.introspection.table import BOOL, DURATION, TEXT, TEXTS, TIME, U32, U64, Column, Table

_MANIFEST = "CAST(d.manifest AS TEXT)"

SYS_DEPLOYMENT = Table(
    "sys_deployment",
    "deployment d",
    (
        Column("id", TEXT, "d.id"),
        Column("ty", TEXT, "iif(d.address LIKE 'in-process:%', 'in-process', 'http')"),
        Column("endpoint", TEXT, "d.address"),
        Column("created_at", TIME, "d.created_at_ms"),
        Column("min_service_protocol_version", U32, f"json_extract({_MANIFEST}, '$.minProtocolVersion')"),
        Column("max_service_protocol_version", U32, f"json_extract({_MANIFEST}, '$.maxProtocolVersion')"),
        Column(
            "services",
            TEXTS,
            "(SELECT json_group_array(s.key) FROM json_each(d.revisions) s)",
        ),
    ),
)

SYS_SERVICE = Table(
    "sys_service",
    # SQLite takes the other columns from the row that has the maximum: the newest deployment of the service.
    "(SELECT s.key AS name, s.value AS revision, d.id AS deployment_id, max(d.position) "
    "FROM deployment d, json_each(d.revisions) s GROUP BY s.key) s",
    (
        Column("name", TEXT, "s.name"),
        Column("revision", U64, "s.revision"),
        Column("public", BOOL, "is_public(s.name)"),
        Column("ty", TEXT, "service_type(s.name)"),
        Column("deployment_id", TEXT, "s.deployment_id"),
    ),
)

_NOTHING = "(SELECT 1 WHERE 0)"

SYS_RULES = Table(
    "sys_rules",
    _NOTHING,
    (
        Column("pattern", TEXT),
        Column("concurrency", U32),
        Column("description", TEXT),
        Column("disabled", BOOL),
        Column("version", U32),
        Column("last_modified", TIME),
    ),
)

SYS_VQUEUE_META = Table(
    "sys_vqueue_meta",
    _NOTHING,
    (
        Column("id", TEXT),
        *(Column(name, BOOL) for name in ("is_active", "queue_is_paused")),
        *(Column(name, TEXT) for name in ("service_name", "scope", "limit_key", "lock_name")),
        *(
            Column(name, TIME)
            for name in (
                "created_at",
                "last_enqueued_at",
                "last_start_at",
                "last_attempt_at",
                "last_finish_at",
            )
        ),
        *(
            Column(f"avg_{name}", DURATION)
            for name in (
                "queue_duration",
                "inbox_duration",
                "run_duration",
                "suspension_duration",
                "end_to_end_duration",
                "blocked_on_concurrency_rules",
                "blocked_on_invoker_concurrency",
                "blocked_on_invoker_throttling",
                "blocked_on_lock",
            )
        ),
        *(Column(f"num_{name}", U64) for name in ("inbox", "running", "suspended", "paused", "finished")),
    ),
)
