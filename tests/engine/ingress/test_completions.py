"""Promises and named signals, completed over HTTP."""

from __future__ import annotations

import pytest
import restate

pytestmark = pytest.mark.anyio

workflow = restate.Workflow("Signup")


@workflow.main()
async def run(ctx: restate.WorkflowContext) -> str:
    return await ctx.promise("click", type_hint=str).value()


service = restate.Service("S")


@service.handler()
async def wait(ctx: restate.Context) -> str:
    return await ctx.signal("go", type_hint=str)


async def is_waiting(engine, invocation_id: str, command: str) -> None:
    await engine.when(invocation_id, lambda view: any(e["entry_type"] == command for e in view["journal"]))


@pytest.mark.parametrize(
    ("verb", "body", "status", "answer"),
    [("resolve", '"yes"', 200, "yes"), ("reject", "no", 500, "no")],
)
async def test_a_promise_of_a_workflow_that_waits(start_engine, verb, body, status, answer) -> None:
    async with start_engine(workflow) as engine:
        invocation_id = await engine.send("Signup/ada%2F1/run")
        await is_waiting(engine, invocation_id, "Command: GetPromise")
        path = "/restate/promises/Signup/ada%2F1/click"

        assert (await engine.ingress.post(f"{path}/{verb}", content=body)).status_code == 202
        again = await engine.ingress.post(f"{path}/resolve", content='"late"')

        assert (again.status_code, again.json()["message"]) == (409, "promise was already completed")
        result = await engine.attach(invocation_id)
        told = result.json() if status == 200 else result.json()["message"]
        assert (result.status_code, told) == (status, answer)


async def test_a_promise_completed_before_its_workflow_runs(start_engine) -> None:
    async with start_engine(workflow) as engine:
        await engine.ingress.post("/restate/promises/Signup/bob/click/resolve", content='"early"')
        assert (await engine.call("Signup/bob/run")).json() == "early"


@pytest.mark.parametrize(
    ("verb", "body", "status", "answer"),
    [("resolve", '"now"', 200, "now"), ("reject", "never", 500, "never")],
)
async def test_a_named_signal(start_engine, verb, body, status, answer) -> None:
    async with start_engine(service) as engine:
        invocation_id = await engine.send("S/wait")
        path = f"/restate/signals/{invocation_id}/go/{verb}"

        assert (await engine.ingress.post(path, content=body)).status_code == 202
        result = await engine.attach(invocation_id)
        told = result.json() if status == 200 else result.json()["message"]
        assert (result.status_code, told) == (status, answer)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/restate/promises/S/key/name/resolve", 404),
        ("/restate/promises/Nobody/key/name/resolve", 404),
        ("/restate/signals/inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz/go/resolve", 404),
        ("/restate/signals/nonsense/go/resolve", 400),
    ],
)
async def test_what_is_not_there(start_engine, path, status) -> None:
    async with start_engine(workflow, service) as engine:
        assert (await engine.ingress.post(path, content="1")).status_code == status
