"""Pause, purge and restart through the admin API; and many invocations in one request."""

from __future__ import annotations

import asyncio

import pytest
import restate

pytestmark = pytest.mark.anyio

UNKNOWN = "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz"
BATCH = "/internal/invocations_batch_operations"

service = restate.Service("S")
counter = restate.VirtualObject("Counter")
drawn: list[tuple[int, str]] = []


@service.handler()
async def echo(ctx: restate.Context, word: str) -> str:
    return word


@service.handler()
async def wait(ctx: restate.Context) -> str:
    _, promise = ctx.awakeable(type_hint=str)
    return await promise


@service.handler()
async def draw(ctx: restate.Context) -> int:
    number = ctx.random().randrange(10**9)
    first = await ctx.run_typed(f"number {number}", lambda: drawn.append((number, "first")))
    drawn.append((number, "replayed"))
    await ctx.run_typed("second", lambda: drawn.append((number, "second")))
    assert first is None
    return number


@counter.handler()
async def add(ctx: restate.ObjectContext, by: int) -> int:
    value = (await ctx.get("value", type_hint=int) or 0) + by
    ctx.set("value", value)
    return value


async def patch(engine, invocation_id: str, verb: str, **query: object) -> tuple[int, dict]:
    answer = await engine.admin.patch(f"/invocations/{invocation_id}/{verb}", params=query)
    return answer.status_code, answer.json() if answer.content else {}


async def test_pause_stops_it_and_resume_lets_it_go_on(start_engine) -> None:
    async with start_engine(service) as engine:
        waiting = await engine.send("S/wait")
        await engine.when(waiting, lambda view: len(view["journal"]) == 1)
        assert (await patch(engine, waiting, "pause"))[0] == 202
        assert await engine.status(waiting) == "paused"
        assert (await patch(engine, waiting, "pause"))[0] == 200
        assert (await patch(engine, waiting, "resume"))[0] == 200
        await engine.when(waiting, lambda view: view["status"] in ("running", "suspended"))
        assert (await patch(engine, waiting, "kill"))[0] == 200


async def test_cancel_says_whether_it_has_ended_or_will(start_engine) -> None:
    async with start_engine(service) as engine:
        waiting = await engine.send("S/wait")
        later = await engine.send("S/echo", "never", delay="1h")
        assert (await patch(engine, waiting, "cancel"))[0] == 202
        assert (await patch(engine, later, "cancel"))[0] == 200
        assert (await engine.attach(waiting)).status_code == 409


async def test_a_purged_invocation_is_gone_and_of_a_purged_journal_the_result_stays(start_engine) -> None:
    async with start_engine(service) as engine:
        done = (await engine.call("S/echo", "x", **{"idempotency-key": "k"})).headers["x-restate-id"]
        assert (await patch(engine, done, "purge-journal"))[0] == 200
        view = await engine.describe(done)
        assert (view["value_preview"], view["journal"]) == ('"x"', [])
        assert (await patch(engine, done, "purge"))[0] == 200
        assert (await patch(engine, done, "purge"))[0] == 404
        again = await engine.call("S/echo", "y", **{"idempotency-key": "k"})
        assert (again.json(), again.headers["x-restate-id"]) == ("y", done), "its idempotency key is free"


async def test_a_completed_invocation_runs_again_as_a_new_one(start_engine) -> None:
    async with start_engine(service, counter) as engine:
        first = (await engine.call("Counter/a/add", 2)).headers["x-restate-id"]
        status, answer = await patch(engine, first, "restart-as-new")
        new = answer["new_invocation_id"]
        assert (status, new == first) == (200, False)
        assert (await engine.attach(new)).json() == 4, "the same input, on the same object"
        assert (await engine.describe(new))["status"] == "completed"


async def test_a_restart_from_a_prefix_draws_the_same_random_numbers(start_engine) -> None:
    drawn.clear()
    async with start_engine(service) as engine:
        first = await engine.call("S/draw")
        number = first.json()
        status, answer = await patch(engine, first.headers["x-restate-id"], "restart-as-new", **{"from": 1})
        assert status == 200
        assert (await engine.attach(answer["new_invocation_id"])).json() == number
        status, answer = await patch(engine, answer["new_invocation_id"], "restart-as-new")
        assert (await engine.attach(answer["new_invocation_id"])).json() != number
    assert [what for n, what in drawn if n == number].count("first") == 1
    assert [what for n, what in drawn if n == number].count("second") == 2


async def test_a_batch_tells_of_each(start_engine) -> None:
    async with start_engine(service) as engine:
        waiting = [await engine.send("S/wait") for _ in range(3)]
        done = (await engine.call("S/echo", "x")).headers["x-restate-id"]
        body = {"invocation_ids": [*waiting, done, UNKNOWN]}
        told = (await engine.admin.post(f"{BATCH}/cancel", json=body)).json()
        assert told["succeeded"] == waiting
        assert [failed["invocation_id"] for failed in told["failed"]] == [done, UNKNOWN]
        assert "completed already" in told["failed"][0]["error"]
        await asyncio.gather(*map(engine.attach, waiting))

        restarted = (
            await engine.admin.post(f"{BATCH}/restart-as-new", json={"invocation_ids": [done]})
        ).json()
        assert restarted["succeeded"][0]["old_invocation_id"] == done
        new = restarted["succeeded"][0]["new_invocation_id"]
        assert (await engine.attach(new)).json() == "x"

        purged = (await engine.admin.post(f"{BATCH}/purge", json=body)).json()
        assert purged["succeeded"] == [*waiting, done]


async def test_a_batch_is_one_commit(start_engine, monkeypatch) -> None:
    async with start_engine(service) as engine:
        ids = [await engine.send("S/echo", "later", delay="1h") for _ in range(20)]
        commits = 0
        transact = engine.server.engine.store.transact

        def counted(work) -> None:
            nonlocal commits
            commits += 1
            transact(work)

        monkeypatch.setattr(engine.server.engine.store, "transact", counted)
        told = (await engine.admin.post(f"{BATCH}/kill", json={"invocation_ids": ids})).json()
    assert (told["succeeded"], commits) == (ids, 1)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"invocation_ids": [UNKNOWN] * 1001}, "1001 invocations in one batch"),
        ({"invocation_ids": ["nonsense"]}, "bad invocation id"),
        ({}, "invocation_ids: Field required"),
        ([], "bad request"),
    ],
)
async def test_a_batch_that_cannot_be(start_engine, body, says) -> None:
    async with start_engine() as engine:
        answer = await engine.admin.post(f"{BATCH}/kill", json=body)
    assert answer.status_code == 400
    assert says in answer.json()["message"]


async def test_what_a_verb_asks_for_must_make_sense(start_engine) -> None:
    async with start_engine(service) as engine:
        waiting = await engine.send("S/wait")
        done = (await engine.call("S/echo", "x")).headers["x-restate-id"]
        assert await patch(engine, waiting, "resume", deployment="dp_none") == (
            400,
            {"code": 400, "message": "deployment 'dp_none' not found; give its id, 'latest' or 'keep'"},
        )
        assert (await patch(engine, done, "restart-as-new", **{"from": "-1"}))[0] == 400
        assert (await patch(engine, done, "restart-as-new", **{"from": 9}))[0] == 400
        assert (await patch(engine, waiting, "restart-as-new"))[0] == 409
        assert (await patch(engine, UNKNOWN, "purge"))[0] == 404
        assert (await patch(engine, waiting, "purge"))[0] == 409
        assert (await patch(engine, "nonsense", "pause"))[0] == 400
