"""What operators see and do."""

from __future__ import annotations

import base64

import pytest
import restate

pytestmark = pytest.mark.anyio

service = restate.Service("S")


@service.handler()
async def shout(ctx: restate.Context, word: str) -> str:
    async def upper() -> str:
        return word.upper()

    return await ctx.run_typed("upper", upper)


@service.handler()
async def relay(ctx: restate.Context, word: str) -> str:
    return await ctx.service_call(shout, arg=word)


async def test_the_newest_invocations_come_first_and_can_be_filtered(start_engine) -> None:
    async with start_engine(service) as engine:
        for word in ("one", "two"):
            await engine.call("S/shout", word)
        await engine.send("S/shout", "later", delay="1h")

        listed = (await engine.admin.get("/invocations")).json()["invocations"]
        assert [i["status"] for i in listed] == ["scheduled", "completed", "completed"]
        assert [i.get("value_preview") for i in listed] == [None, '"TWO"', '"ONE"']

        done = (await engine.admin.get("/invocations", params={"status": "completed"})).json()
        assert len(done["invocations"]) == 2
        none = (await engine.admin.get("/invocations", params={"service": "Other"})).json()
        assert none["invocations"] == []
        first = (await engine.admin.get("/invocations", params={"limit": 1})).json()
        assert len(first["invocations"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"status": "asleep"},
        {"limit": "0"},
        {"limit": "many"},
        {"limit": "²"},
        {"created_after": "yesterday"},
        {"created_before": "12:00"},
        {"cursor": "12"},
        {"cursor": "x-inv_1"},
        {"text": "x" * 1001},
    ],
)
async def test_what_is_no_filter_is_refused_and_named(start_engine, query: dict[str, str]) -> None:
    (name,) = query
    async with start_engine(service) as engine:
        refused = await engine.admin.get("/invocations", params=query)
    assert refused.status_code == 400
    assert name in refused.json()["message"]


async def test_a_journal_is_read_in_parts_with_values_in_base64(start_engine) -> None:
    async with start_engine(service) as engine:
        answer = await engine.call("S/shout", "hi")
        path = f"/invocations/{answer.headers['x-restate-id']}/journal"
        part = (await engine.admin.get(path, params={"from": 1, "limit": 1})).json()
        refused = [
            await engine.admin.get(path, params={name: "-1"}) for name in ("from", "limit", "value_bytes_max")
        ]
    (step,) = part["steps"]
    assert (part["entries"], part["next"]) == (4, 3)
    assert (step["index"], step["kind"], step["name"], step["completed"]) == (1, "run", "upper", True)
    assert (base64.b64decode(step["value"]), step["value_bytes"]) == (b'"HI"', 4)
    assert step["started_at"] <= step["ended_at"]
    assert [each.status_code for each in refused] == [400, 400, 400]


async def test_a_description_joins_commands_to_what_completed_them(start_engine) -> None:
    async with start_engine(service) as engine:
        answer = await engine.call("S/relay", "hi")
        relayed = await engine.describe(answer.headers["x-restate-id"])
        call = relayed["journal"][1]
        shouted = await engine.describe(call["invoked_id"])

    assert (call["entry_type"], call["completed"], call["value_preview"]) == ("Command: Call", True, '"HI"')
    assert call["parameter_preview"] == '"hi"'
    assert shouted["invoked_by_id"] == relayed["id"]
    assert shouted["invoked_by_target"] == "S/relay"
    assert [entry["entry_type"] for entry in shouted["journal"]] == [
        "Command: Input",
        "Command: Run",
        "Notification: Run",
        "Command: Output",
    ]
    run = shouted["journal"][1]
    assert run["appended_at"] <= run["completed_at"]


async def test_a_large_value_is_cut_in_the_preview(start_engine) -> None:
    async with start_engine(service) as engine:
        answer = await engine.call("S/shout", "x" * 100_000)
        described = await engine.describe(answer.headers["x-restate-id"])

    assert len(answer.json()) == 100_000
    assert len(described["value_preview"]) < 3000
    assert described["value_preview"].endswith("…")


@pytest.mark.parametrize("verb", ["cancel", "kill", "resume"])
async def test_verbs_on_what_is_not_there_or_is_done(start_engine, verb) -> None:
    async with start_engine(service) as engine:
        unknown = await engine.admin.patch(f"/invocations/inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz/{verb}")
        nonsense = await engine.admin.patch(f"/invocations/nonsense/{verb}")
        done = (await engine.call("S/shout", "x")).headers["x-restate-id"]
        completed = await engine.admin.patch(f"/invocations/{done}/{verb}")

    assert [unknown.status_code, nonsense.status_code, completed.status_code] == [404, 400, 409]
    assert "completed already" in completed.json()["message"]


async def test_a_scheduled_invocation_can_be_cancelled_before_it_starts(start_engine) -> None:
    async with start_engine(service) as engine:
        invocation_id = await engine.send("S/shout", "never", delay="1h")
        await engine.admin.patch(f"/invocations/{invocation_id}/cancel")
        answer = await engine.attach(invocation_id)

    assert (answer.status_code, answer.json()["message"]) == (409, "cancelled")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"status": "asleep"}, "no status 'asleep'"),
        ({"limit": "many"}, "bad limit"),
        ({"limit": 0}, "bad limit"),
    ],
)
async def test_a_list_that_makes_no_sense(start_engine, query, says) -> None:
    async with start_engine() as engine:
        answer = await engine.admin.get("/invocations", params=query)

    assert answer.status_code == 400
    assert says in answer.json()["message"]
