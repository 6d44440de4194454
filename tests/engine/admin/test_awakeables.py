"""What waits for an answer from outside, over the admin API."""

from __future__ import annotations

import base64
import json

import pytest
import restate

from perdure.protocol.ids import encode_awakeable_id

pytestmark = pytest.mark.anyio

UNKNOWN = "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz"

service = restate.Service("S")


@service.handler()
async def ask(ctx: restate.Context, step: str) -> str:
    awakeable_id, answer = ctx.awakeable(type_hint=str)
    await ctx.run_typed(step, lambda: {"mail": f"answer {awakeable_id}", "more": "x" * 20_000})
    return await answer


async def told(engine, **query: object) -> list[dict]:
    return (await engine.admin.get("/awakeables", params=query)).json()["awakeables"]


async def asked(engine, *steps: str) -> list[dict]:
    """What waits, once these are asked, one after the other."""
    for step in steps:
        sent = await engine.send("S/ask", step)
        await engine.when(sent, lambda view: len(view["journal"]) == 3)
    return await told(engine)


async def test_what_waits_is_there_with_what_the_step_returned(start_engine) -> None:
    async with start_engine(service) as engine:
        (waiting,) = await asked(engine, "send the mail")
        (whole,) = (await engine.admin.get(f"/awakeables/{waiting['id']}?value_bytes_max=30000")).json()[
            "awakeables"
        ]
        view = await engine.describe(waiting["invocation_id"])
    assert (waiting["target"], waiting["name"], waiting["entry_index"]) == ("S/ask", "send the mail", 2)
    assert waiting["told_at"] == view["journal"][2]["appended_at"]
    assert "closed_at" not in waiting
    value = base64.b64decode(whole["value"])
    assert json.loads(value)["mail"] == f"answer {waiting['id']}"
    assert (waiting["value_bytes"], base64.b64decode(waiting["value"])) == (len(value), value[:16_384])


async def test_what_was_answered_waits_no_longer(start_engine) -> None:
    async with start_engine(service) as engine:
        first, second, third = await asked(engine, "a", "b", "c")
        await engine.ingress.post(f"/restate/awakeables/{first['id']}/resolve", json="yes")
        await engine.attach(first["invocation_id"])
        await engine.ingress.post(f"/restate/awakeables/{second['id']}/reject", content="not today")
        await engine.attach(second["invocation_id"])
        assert [each["name"] for each in await told(engine)] == ["c"]
        await engine.admin.patch(f"/invocations/{third['invocation_id']}/kill")
        killed, rejected, resolved = await told(engine, open="false")
    assert base64.b64decode(resolved["answer"]) == b'"yes"'
    assert resolved["answered_at"] == resolved["closed_at"] >= first["told_at"]
    assert rejected["rejection"]["message"] == "not today"
    assert (killed["name"], "answered_at" in killed, "closed_at" in killed) == ("c", False, True)


async def test_a_page_at_a_time_and_by_name(start_engine) -> None:
    async with start_engine(service) as engine:
        await asked(engine, "pay 1", "mail", "pay 2")
        first = (await engine.admin.get("/awakeables", params={"limit": 1, "name": "pay"})).json()
        query = {"limit": 1, "name": "pay", "cursor": first["next"]}
        second = (await engine.admin.get("/awakeables", params=query)).json()
    assert [each["name"] for each in first["awakeables"]] == ["pay 1"]
    assert ([each["name"] for each in second["awakeables"]], second["next"]) == (["pay 2"], None)


@pytest.mark.parametrize(
    "query",
    [{"open": "maybe"}, {"limit": "0"}, {"cursor": "12"}, {"cursor": "1-2-sign_1"}, {"value_bytes_max": "1"}],
)
async def test_what_makes_no_sense_is_refused(start_engine, query: dict[str, str]) -> None:
    (name,) = query
    async with start_engine() as engine:
        refused = await engine.admin.get("/awakeables", params=query)
        nonsense = await engine.admin.get("/awakeables/inv_1")
        unknown = await engine.admin.get(f"/awakeables/{encode_awakeable_id(UNKNOWN, 17)}")
    assert (refused.status_code, nonsense.status_code) == (400, 400)
    assert name in refused.json()["message"]
    assert unknown.json() == {"awakeables": []}
