"""Every query that the restate CLI and its web UI send, word for word but for names."""

from __future__ import annotations

import pytest

STATUS_COLUMNS = "target_service_name, target_handler_name"
HOLDERS = ", ".join(
    f"first_value({column}) as {name}"
    for column, name in (
        ("id", "invocation_holding_lock"),
        ("target_handler_name", "invocation_method_holding_lock"),
        ("created_at", "invocation_created_at"),
        ("modified_at", "invocation_state_modified_at"),
        ("pinned_deployment_id", "pinned_deployment_id"),
        ("last_attempt_deployment_id", "last_attempt_deployment_id"),
        ("last_failure", "last_failure_message"),
        ("next_retry_at", "next_retry_at"),
        ("last_start_at", "last_start_at"),
    )
)
LISTED = """inv.id, inv.target, inv.target_service_ty, inv.idempotency_key, inv.status, inv.created_at,
    inv.modified_at as state_modified_at, inv.pinned_deployment_id, inv.retry_count as num_retries,
    inv.last_failure as last_failure_message,
    inv.last_failure_related_entry_index as last_failure_entry_index,
    inv.last_failure_related_entry_name as last_failure_entry_name,
    inv.last_failure_related_entry_type as last_failure_entry_ty, inv.last_attempt_deployment_id,
    inv.last_attempt_server, inv.next_retry_at, inv.last_start_at, inv.invoked_by_id,
    inv.invoked_by_target, inv.trace_id, inv.completion_result, inv.completion_failure,
    dp.id IS NOT NULL as pinned_deployment_exists"""
BUCKET = """CASE WHEN ss.status = 'inboxed' THEN 'pending'
    WHEN ss.status = 'invoked' AND sis.in_flight IS TRUE THEN 'running'
    WHEN ss.status = 'invoked' AND sis.retry_count > 0 THEN 'backing-off'
    WHEN ss.status = 'invoked' THEN 'ready' ELSE ss.status END"""


@pytest.fixture
def deployment(query) -> str:
    (row,) = query("SELECT id FROM sys_deployment")
    return str(row["id"])


def test_cli_1_and_2_active_invocations_of_a_deployment(query, deployment) -> None:
    where = f"pinned_deployment_id = '{deployment}' AND status != 'completed'"
    assert query(f"SELECT COUNT(1) AS inv_count FROM sys_invocation_status WHERE {where}") == [
        {"inv_count": 4}
    ]
    rows = query(
        "SELECT target_service_name as service, target_handler_name as handler, COUNT(1) AS inv_count "
        f"FROM sys_invocation_status WHERE {where} "
        "GROUP BY pinned_deployment_id, target_service_name, target_handler_name"
    )
    assert {(row["service"], row["handler"]): row["inv_count"] for row in rows} == {
        ("Greeter", "stumble"): 1,
        ("Greeter", "wait"): 1,
        ("Counter", "hold"): 1,
        ("Signup", "run"): 1,
    }


def test_cli_3_and_4_status_of_services(query, life) -> None:
    (row,) = query(
        f"SELECT {STATUS_COLUMNS}, 'pending' as status, COUNT(1) as num_invocations, MIN(created_at) as "
        "oldest_at, FIRST_VALUE(id ORDER BY created_at ASC) as oldest_invocation FROM sys_invocation_status "
        "WHERE status == 'inboxed' AND target_service_name IN ('Greeter','Counter','Signup') "
        f"GROUP BY {STATUS_COLUMNS}"
    )
    assert row["num_invocations"] == 1
    assert row["oldest_invocation"] == life.ids["queued"]
    rows = query(
        f"SELECT {STATUS_COLUMNS}, status, COUNT(1) as num_invocations, MIN(created_at) as oldest_at, "
        "FIRST_VALUE(id ORDER BY created_at ASC) as oldest_invocation FROM sys_invocation "
        "WHERE target_service_name IN ('Greeter') "
        f"GROUP BY {STATUS_COLUMNS}, status ORDER BY target_handler_name"
    )
    assert [(row["target_handler_name"], row["status"]) for row in rows][-2:] == [
        ("stumble", "backing-off"),
        ("wait", "suspended"),
    ]


def test_cli_5_and_6_keys_of_objects(query, life) -> None:
    assert query(
        "SELECT service_name, service_key, COUNT(1) as num_pending FROM sys_inbox WHERE service_name IN "
        "('Counter') GROUP BY service_name, service_key ORDER BY num_pending DESC"
    ) == [{"service_name": "Counter", "service_key": "busy", "num_pending": 1}]
    rows = query(
        "SELECT target_service_name as service_name, target_service_key as service_key, "
        f"status as invocation_status, {HOLDERS}, 0 as num_pending, sum(retry_count) as num_retries "
        "FROM sys_invocation WHERE status != 'pending' AND target_service_name IN ('Counter') "
        "GROUP BY target_service_name, target_service_key, status"
    )
    held = {row["service_key"]: row["invocation_holding_lock"] for row in rows}
    assert held["busy"] == life.ids["hold"]


FILTERS = {
    "all": ("1 = 1", 9),
    "active": ("inv.status != 'completed'", 6),
    "some": ("inv.status IN ('running', 'backing-off', 'suspended', 'paused', 'ready')", 4),
    "failed": ("inv.completion_result = 'failure'", 1),
    "objects": (
        "inv.target_service_name IN (select name from sys_service where ty = 'virtual_object')",
        3,
    ),
    "zombies": (
        "(inv.pinned_deployment_id IS NOT NULL AND inv.pinned_deployment_id NOT IN "
        "(select id from sys_deployment))",
        0,
    ),
    "handler": ("inv.target_handler_name IN ('greet', 'hold')", 4),
    "one": ("inv.id = '{wait}'", 1),
}


@pytest.mark.parametrize(("condition", "count"), FILTERS.values(), ids=FILTERS)
def test_cli_7_8_and_9_list_invocations(query, condition, count) -> None:
    found = query(
        f"SELECT id FROM sys_invocation inv WHERE {condition} ORDER BY inv.created_at DESC, inv.id LIMIT 100"
    )
    assert len(found) == count
    (row,) = query(f"SELECT COUNT(1) FROM (SELECT * FROM sys_invocation inv LIMIT 50000 ) WHERE {condition}")
    assert list(row.values()) == [count]
    if found:
        ids = ", ".join(f"'{row['id']}'" for row in found)
        rows = query(
            f"SELECT {LISTED} FROM sys_invocation inv LEFT JOIN sys_deployment dp "
            f"ON dp.id = inv.pinned_deployment_id WHERE {condition} AND inv.id in ({ids}) "
            "ORDER BY inv.created_at DESC, inv.id"
        )
        assert [row["id"] for row in rows] == [row["id"] for row in found]
        assert all(
            row["pinned_deployment_exists"] or row["status"] in ("scheduled", "pending") for row in rows
        )


def test_cli_10_and_11_describe(query, life) -> None:
    (row,) = query(
        "SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'sys_journal' "
        "AND column_name IN ('version', 'entry_json', 'appended_at')"
    )
    assert list(row.values()) == [3]
    rows = query(
        "SELECT sj.index, sj.entry_type, sj.completed, sj.invoked_id, sj.invoked_target, sj.sleep_wakeup_at, "
        "sj.name, sj.promise_name, sj.version, sj.entry_json, sj.appended_at FROM sys_journal sj "
        "WHERE sj.id = '{greet}' ORDER BY index DESC LIMIT 100"
    )
    assert [row["index"] for row in rows] == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("id = '{wait}'", ["wait"]),
        ("target LIKE 'Greeter/%' AND status IN ('invoked','suspended')", ["stumble", "wait"]),
        (
            "((target = 'Counter/hold' AND target_service_ty = 'service') OR "
            "(target LIKE 'Counter/hold/%' AND target_service_ty != 'service'))",
            [],
        ),
        (
            "((target = 'Greeter/stumble' AND target_service_ty = 'service') OR "
            "(target LIKE 'Greeter/stumble/%' AND target_service_ty != 'service'))",
            ["stumble"],
        ),
        ("target LIKE 'Counter/busy/%'", ["hold", "queued"]),
    ],
)
def test_cli_12_what_a_verb_acts_on(query, life, condition, found) -> None:
    rows = query(
        f"SELECT id, target FROM sys_invocation_status WHERE {condition} AND status != 'completed' LIMIT 500"
    )
    assert {row["id"] for row in rows} == {life.ids[name] for name in found}


def test_cli_13_state(query) -> None:
    rows = query("select key, value from state where service_name = 'Counter' and service_key = 'all' ;")
    assert sorted((row["key"], row["value"]) for row in rows) == [("raw", "ff00"), ("total", "31")]


def test_ui_overview(query) -> None:
    rows = query(
        f"SELECT ss.target_service_name AS service_name, {BUCKET} AS bucket, COUNT(1) AS count "
        "FROM sys_invocation_status ss LEFT JOIN sys_invocation_state sis ON sis.id = ss.id "
        "WHERE ss.created_at > '2020-11-22T23:27:28.139Z' "
        f"GROUP BY ss.target_service_name, {BUCKET}"
    )
    counts = {(row["service_name"], row["bucket"]): row["count"] for row in rows}
    assert counts["Greeter", "backing-off"] == counts["Counter", "running"] == 1
    assert counts["Counter", "pending"] == 1
    (sampled,) = query(
        "SELECT COUNT(1) AS count FROM (SELECT id, status FROM sys_invocation_status LIMIT 1000000) "
        "sampled_invocations"
    )
    assert sampled["count"] == 9
    assert query("SELECT 1 FROM sys_invocation_status LIMIT 1") == [{"Int64(1)": 1}]


def test_ui_lists(query, life) -> None:
    rows = query("SELECT id FROM sys_invocation_state WHERE in_flight IS TRUE LIMIT 250")
    assert {row["id"] for row in rows} == {life.ids["hold"], life.ids["run"]}
    rows = query(
        "SELECT ss.id AS id FROM sys_invocation_status ss LEFT JOIN ( SELECT id AS state_id, in_flight, "
        "retry_count FROM sys_invocation_state ) sis ON sis.state_id = ss.id WHERE ss.status IN ('invoked') "
        "AND (sis.in_flight IS NOT TRUE AND sis.retry_count > 0) ORDER BY ss.created_at DESC LIMIT 250"
    )
    assert [row["id"] for row in rows] == [life.ids["stumble"]]
    rows = query(
        "SELECT id FROM sys_invocation WHERE LOWER(completion_failure) IN ('[409] killed','[418] no luck') "
        "ORDER BY created_at DESC NULLS LAST"
    )
    assert [row["id"] for row in rows] == [life.ids["refuse"]]


def test_ui_journal_and_events(query) -> None:
    rows = query(
        "SELECT id, index, appended_at, entry_type, name, raw_length, entry_lite_json, version, completed, "
        "sleep_wakeup_at, invoked_id, invoked_target, promise_name FROM sys_journal WHERE id = '{greet}' "
        "ORDER BY index"
    )
    assert len(rows) == 7
    (entry,) = query("SELECT entry_json, raw FROM sys_journal WHERE id = '{greet}' AND index = 1")
    assert set(entry) == {"entry_json", "raw"}
    (event,) = query(
        "SELECT after_journal_entry_index, appended_at, event_type, event_json from sys_journal_events "
        "WHERE id = '{stumble}' ORDER BY appended_at"
    )
    assert event["event_type"] == "TransientError"


def test_ui_state_objects_and_workflows(query, life) -> None:
    assert query("SELECT DISTINCT service_key FROM state WHERE \"service_name\" = 'Counter' LIMIT 301") == [
        {"service_key": "all"}
    ]
    assert (
        len(
            query(
                "SELECT service_key, key, value_length, value FROM state WHERE service_name = 'Counter' "
                "AND value_length <= 1 LIMIT 1500"
            )
        )
        == 1
    )
    assert query(
        "SELECT invocation_id FROM sys_keyed_service_status WHERE service_name = 'Counter' "
        "AND service_key = 'busy' AND invocation_id IS NOT NULL LIMIT 1"
    ) == [{"invocation_id": life.ids["hold"]}]
    assert query("SELECT COUNT(1) AS n FROM sys_promise WHERE service_name = 'Signup' AND completed") == [
        {"n": 1}
    ]
    assert query(
        "SELECT id FROM sys_invocation_status WHERE target_service_name = 'Signup' "
        "AND target_handler_name = 'run'"
    ) == [{"id": life.ids["run"]}]


def test_ui_the_rest_of_its_dialect(query, deployment) -> None:
    assert (
        query(
            "WITH active AS (SELECT pinned_deployment_id AS id FROM sys_invocation_status "
            "WHERE status <> 'completed' UNION SELECT deployment_id AS id FROM sys_service) "
            "SELECT id FROM sys_deployment EXCEPT SELECT id FROM active"
        )
        == []
    )
    (row,) = query(
        "SELECT to_unixtime(date_bin(INTERVAL '1 hour', completed_at, to_timestamp(0))) AS bin, "
        "COUNT(1) FILTER (WHERE completion_result = 'failure') AS failed, "
        "SUM(CASE WHEN completion_result = 'success' THEN 1 ELSE 0 END) AS succeeded "
        "FROM sys_invocation_status WHERE completed_at IS NOT NULL GROUP BY 1"
    )
    assert (row["failed"], row["succeeded"], row["bin"] % 3600) == (1, 2, 0)
    assert len(query("SELECT id FROM sys_invocation WHERE COALESCE(target, '') ILIKE '%STUMBLE'")) == 1
