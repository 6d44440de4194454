"""Workflows: run once a key, durable promises, attach and output."""

from __future__ import annotations

import pytest
import restate
from restate import TerminalError

pytestmark = pytest.mark.anyio


def signup() -> restate.Workflow:
    """A workflow that waits for a promise, which its other handlers resolve, reject and peek at."""
    workflow = restate.Workflow("Signup")

    @workflow.main()
    async def run(ctx: restate.WorkflowContext, name: str) -> str:
        ctx.set("name", name)
        return f"{name}: {await ctx.promise('click', type_hint=str).value()}"

    @workflow.handler()
    async def click(ctx: restate.WorkflowSharedContext, link: str) -> str:
        await ctx.promise("click", type_hint=str).resolve(link)
        return "clicked"

    @workflow.handler()
    async def refuse(ctx: restate.WorkflowSharedContext) -> None:
        await ctx.promise("click").reject("spam", 422)

    @workflow.handler()
    async def peek(ctx: restate.WorkflowSharedContext) -> list[object]:
        return [await ctx.get("name", type_hint=str), await ctx.promise("click", type_hint=str).peek()]

    return workflow


async def test_a_workflow_waits_for_a_promise(start_engine) -> None:
    async with start_engine(signup()) as engine:
        run = await engine.send("Signup/ada/run", "Ada")
        await engine.when(run, lambda view: view["journal"][-1]["entry_type"] == "Command: GetPromise")
        assert (await engine.call("Signup/ada/peek")).json() == ["Ada", None]
        assert (await engine.call("Signup/ada/click", "https://x")).json() == "clicked"

        assert (await engine.attach(run)).json() == "Ada: https://x"
        assert (await engine.call("Signup/ada/peek")).json() == ["Ada", "https://x"]
        output = await engine.ingress.get("/restate/workflow/Signup/ada/output")
        attached = await engine.ingress.get("/restate/workflow/Signup/ada/attach")
        assert output.json() == attached.json() == "Ada: https://x"


async def test_a_promise_is_completed_once(start_engine) -> None:
    async with start_engine(signup()) as engine:
        run = await engine.send("Signup/ada/run", "Ada")
        await engine.call("Signup/ada/refuse")
        again = await engine.call("Signup/ada/click", "https://x")

        assert (again.status_code, again.json()["message"]) == (409, "promise was already completed")
        assert ((await engine.attach(run)).status_code) == 422


async def test_run_runs_once_for_each_key(start_engine) -> None:
    async with start_engine(signup()) as engine:
        first = await engine.ingress.post("/Signup/ada/run/send", json="Ada")
        second = await engine.ingress.post("/Signup/ada/run/send", json="Eve")
        third = await engine.call("Signup/ada/run", "Eve")
        other = await engine.ingress.post("/Signup/bob/run/send", json="Bob")

        assert second.json()["status"] == "PreviouslyAccepted"
        assert second.json()["invocationId"] == first.json()["invocationId"] != other.json()["invocationId"]
        assert (third.status_code, third.json()["message"]) == (
            409,
            "the workflow method was already invoked",
        )
        keyed = await engine.call("Signup/eve/run", "Eve", **{"idempotency-key": "x"})
        assert keyed.status_code == 400


async def test_a_handler_starts_a_workflow_and_attaches_to_it(start_engine) -> None:
    workflow = signup()
    starter = restate.Service("Starter")

    @starter.handler()
    async def start(ctx: restate.Context, name: str) -> list[object]:
        handle = ctx.generic_send("Signup", "run", b'"Ada"', key=name)
        invocation_id = await handle.invocation_id()
        try:
            await ctx.generic_call("Signup", "run", b'"Ada"', key=name)
        except TerminalError as error:
            refused = error.status_code
        await ctx.generic_call("Signup", "click", b'"yes"', key=name)
        return [refused, await ctx.attach_invocation(invocation_id, type_hint=str)]

    async with start_engine(workflow, starter) as engine:
        assert (await engine.call("Starter/start", "ada")).json() == [409, "Ada: yes"]


async def test_unknown_workflows(start_engine) -> None:
    async with start_engine(signup()) as engine:
        unknown = await engine.ingress.get("/restate/workflow/Nobody/ada/output")
        not_run = await engine.ingress.get("/restate/workflow/Signup/ada/output")

    assert (unknown.status_code, not_run.status_code) == (404, 404)
