"""Results of invocations that exist, named in every way that there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import restate

from perdure.protocol.ids import encode_awakeable_id

pytestmark = pytest.mark.anyio

UNKNOWN = "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz"

greeter = restate.Service("Greeter")
signup = restate.Workflow("Signup")


@greeter.handler(idempotency_retention=timedelta(hours=2), journal_retention=timedelta(0))
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


@signup.main()
async def run(ctx: restate.WorkflowContext, name: str) -> str:
    return f"{name} is in"


BY_KEY = {"target": "idempotentInvocation", "service": "Greeter", "handler": "greet", "idempotencyKey": "7"}
BY_WORKFLOW = {"target": "workflow", "workflowName": "Signup", "workflowKey": "ada"}


async def test_a_body_can_name_an_invocation_too(start_engine) -> None:
    async with start_engine(greeter, signup) as engine:
        greeting = await engine.call("Greeter/greet", "Ada", **{"idempotency-key": "7"})
        joined = await engine.call("Signup/ada/run", "Ada")

        for body, call in ((BY_KEY, greeting), (BY_WORKFLOW, joined)):
            invocation_id = call.headers["x-restate-id"]
            found = await engine.ingress.post("/restate/lookup", json=body)
            assert found.json() == {"invocationId": invocation_id}
            by_id = {"target": "invocation", "invocationId": invocation_id}
            for named in (body, by_id):
                for verb in ("attach", "output"):
                    answer = await engine.ingress.post(f"/restate/{verb}", json=named)
                    assert answer.json() == call.json()
            for path in (f"attach/{invocation_id}", f"output/{invocation_id}"):
                assert (await engine.ingress.get(f"/restate/{path}")).json() == call.json()


async def test_a_result_says_until_when_it_can_be_asked_for_again(start_engine) -> None:
    async with start_engine(greeter) as engine:
        key = {"idempotency-key": "7"}
        first = await engine.call("Greeter/greet", "Ada", **key)
        again = await engine.call("Greeter/greet", "Ada", **key)

    assert "idempotency-expires" not in first.headers, "as on restate-server: it is told to who comes back"
    expires = datetime.fromisoformat(again.headers["idempotency-expires"])
    assert timedelta(hours=1, minutes=59) < expires - datetime.now(UTC) <= timedelta(hours=2)


async def test_a_workflow_that_ran_is_not_run_again_and_names_its_run(start_engine) -> None:
    async with start_engine(signup) as engine:
        first = await engine.call("Signup/ada/run", "Ada")
        second = await engine.call("Signup/ada/run", "Ada")

    assert second.status_code == 409
    assert second.headers["x-restate-id"] == first.headers["x-restate-id"]


async def test_a_callback_that_comes_too_late_is_not_to_blame(start_engine) -> None:
    """An awakeable of an invocation that was purged, say. restate-server accepts it too."""
    async with start_engine(greeter) as engine:
        answer = await engine.ingress.post(f"/restate/awakeables/{encode_awakeable_id(UNKNOWN, 17)}/resolve")

    assert answer.status_code == 202
