"""What the tables say of an engine's life."""

from __future__ import annotations

import json


def test_each_invocation_has_its_status(query, life) -> None:
    rows = query("SELECT id, status FROM sys_invocation")
    status = {row["id"]: row["status"] for row in rows}
    assert {name: status[invocation_id] for name, invocation_id in life.ids.items()} == {
        "greet": "completed",
        "refuse": "completed",
        "stumble": "backing-off",
        "wait": "suspended",
        "later": "scheduled",
        "hold": "running",
        "queued": "pending",
        "run": "running",
    }


def test_the_status_table_names_them_as_the_store_of_restate_does(query) -> None:
    rows = query("SELECT status, COUNT(1) AS n FROM sys_invocation_status GROUP BY status")
    assert {row["status"]: row["n"] for row in rows} == {
        "completed": 3,
        "invoked": 3,
        "suspended": 1,
        "scheduled": 1,
        "inboxed": 1,
    }


def test_an_invocation_that_completed(query, life) -> None:
    (row,) = query("SELECT * FROM sys_invocation WHERE id = '{greet}'")
    assert row["target"] == "Greeter/greet"
    assert row["target_service_ty"] == "service"
    assert row["idempotency_key"] == "k1"
    assert row["invoked_by"] == "ingress"
    assert row["completion_result"] == "success"
    assert row["completion_retention"] == "PT86400S"
    assert row["journal_size"] == 7
    assert row["journal_commands_size"] == 4
    assert row["pinned_service_protocol_version"] >= 6
    assert row["completed_at"] >= row["created_at"]
    assert row["created_at"].endswith("Z")
    assert len(row["created_at"]) == len("2026-11-22T23:27:28.139Z")
    assert "target_service_key" not in row, "null columns are left out"


def test_its_callee_knows_who_called(query, life) -> None:
    (row,) = query("SELECT * FROM sys_invocation WHERE target_handler_name = 'add'")
    assert row["invoked_by"] == "service"
    assert row["invoked_by_id"] == life.ids["greet"]
    assert row["invoked_by_target"] == "Greeter/greet"
    assert row["target"] == "Counter/all/add"
    assert row["target_service_ty"] == "virtual_object"


def test_one_that_failed_for_good_and_one_that_will_be_tried_again(query) -> None:
    (refused,) = query("SELECT * FROM sys_invocation WHERE id = '{refuse}'")
    assert refused["completion_result"] == "failure"
    assert refused["completion_failure"] == "[418] no luck"

    (stumbled,) = query("SELECT * FROM sys_invocation WHERE id = '{stumble}'")
    assert stumbled["last_failure"].startswith("[500] ValueError('boom')\nTraceback")
    assert stumbled["retry_count"] == 1
    assert stumbled["next_retry_at"] > stumbled["last_start_at"]

    (event,) = query("SELECT * FROM sys_journal_events WHERE id = '{stumble}'")
    assert event["event_type"] == "TransientError"
    assert event["after_journal_entry_index"] == 2
    told = json.loads(event["event_json"])
    assert told["error_message"] == "ValueError('boom')"
    assert "Traceback" in told["error_stacktrace"]


def test_what_the_invoker_knows_is_there_for_what_it_runs(query, life) -> None:
    rows = query("SELECT id, in_flight, retry_count FROM sys_invocation_state")
    assert {row["id"]: (row["in_flight"], row["retry_count"]) for row in rows} == {
        life.ids["hold"]: (True, 1),
        life.ids["run"]: (True, 1),
        life.ids["stumble"]: (False, 1),
    }


def test_what_waits_says_for_what(query) -> None:
    (suspended,) = query("SELECT * FROM sys_invocation_status WHERE id = '{wait}'")
    assert suspended["suspended_waiting_for_completions"] == [1]
    assert suspended["suspended_waiting_for_signals"] in ([], [1]), "the signal is a cancellation"
    (scheduled,) = query("SELECT * FROM sys_invocation_status WHERE id = '{later}'")
    assert scheduled["scheduled_start_at"] > scheduled["scheduled_at"]
    (inboxed,) = query("SELECT * FROM sys_invocation_status WHERE id = '{queued}'")
    assert inboxed["inboxed_at"] >= inboxed["created_at"]


def test_the_journal_entry_by_entry(query, life) -> None:
    rows = query("SELECT * FROM sys_journal WHERE id = '{greet}' ORDER BY index")
    assert [(row["entry_type"], row.get("name")) for row in rows] == [
        ("Command: Input", ""),
        ("Command: Run", "shout"),
        ("Notification: Run", None),
        ("Command: Call", ""),
        ("Notification: CallInvocationId", None),
        ("Notification: Call", None),
        ("Command: Output", ""),
    ]
    run, ran, call, output = rows[1], rows[2], rows[3], rows[6]
    assert all(row["version"] == 2 and row["raw_length"] * 2 == len(row["raw"]) for row in rows)
    assert json.loads(run["entry_json"]) == {"Command": {"Run": {"completion_id": 1, "name": "shout"}}}
    assert json.loads(ran["entry_lite_json"]) == {
        "Notification": {"ty": {"Completion": "Run"}, "id": {"CompletionId": 1}, "result": "Success"}
    }
    (callee,) = query("SELECT id FROM sys_invocation WHERE invoked_by_id = '{greet}'")
    assert call["invoked_id"] == callee["id"]
    assert call["invoked_target"] == "Counter/all/add"
    request = json.loads(call["entry_json"])["Command"]["Call"]["request"]
    assert request["invocation_id"] == callee["id"]
    assert bytes(request["parameter"]) == b"1"
    assert request["invocation_target"] == {
        "VirtualObject": {
            "name": "Counter",
            "key": "all",
            "handler": "add",
            "handler_ty": "Exclusive",
            "scope": None,
        }
    }
    assert bytes(json.loads(output["entry_json"])["Command"]["Output"]["result"]["Success"]) == b'"hello A"'


def test_sleeps_and_promises_are_named(query) -> None:
    (nap,) = query(
        "SELECT name, sleep_wakeup_at FROM sys_journal WHERE entry_type = 'Command: Sleep' AND name <> ''"
    )
    assert nap["name"] == "nap"
    rows = query("SELECT promise_name FROM sys_journal WHERE id = '{run}' AND promise_name IS NOT NULL")
    assert [row["promise_name"] for row in rows] == ["confirmed", "never"]


def test_the_state_of_objects(query) -> None:
    rows = query("SELECT * FROM state WHERE service_name = 'Counter' ORDER BY key")
    assert rows == [
        {"service_name": "Counter", "service_key": "all", "key": "raw", "key_length": 3}
        | {"value": "ff00", "value_length": 2},
        {"service_name": "Counter", "service_key": "all", "key": "total", "key_length": 5}
        | {"value": "31", "value_length": 1, "value_utf8": "1"},
    ]


def test_who_holds_an_object_and_who_waits(query, life) -> None:
    assert query("SELECT * FROM sys_keyed_service_status") == [
        {"service_name": "Counter", "service_key": "busy", "invocation_id": life.ids["hold"]}
    ]
    (waiting,) = query("SELECT * FROM sys_inbox")
    assert waiting["id"] == life.ids["queued"]


def test_promises_completed_and_awaited(query) -> None:
    rows = query("SELECT * FROM sys_promise ORDER BY key")
    names = {"service_name": "Signup", "service_key": "me"}
    assert rows == [
        {**names, "key": "confirmed", "completed": True}
        | {"completion_success_value": b'"yes"'.hex(), "completion_success_value_utf8": '"yes"'},
        {**names, "key": "never", "completed": False},
    ]


def test_what_is_deployed(query) -> None:
    (deployment,) = query("SELECT * FROM sys_deployment")
    assert sorted(deployment["services"]) == ["Counter", "Greeter", "Signup"]
    rows = query("SELECT * FROM sys_service ORDER BY name")
    assert [(row["name"], row["ty"], row["revision"], row["public"]) for row in rows] == [
        ("Counter", "virtual_object", 1, True),
        ("Greeter", "service", 1, True),
        ("Signup", "workflow", 1, True),
    ]
    assert {row["deployment_id"] for row in rows} == {deployment["id"]}


def test_what_this_engine_does_not_have_is_empty(query) -> None:
    assert query("SELECT * FROM sys_rules") == query("SELECT * FROM sys_vqueue_meta") == []
