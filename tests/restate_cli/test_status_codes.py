"""What tools rely on besides the command line: the admin API's status codes and shapes, on both engines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from invocation_client import InvocationClient, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

UNKNOWN = "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz"
VERBS = ("cancel", "kill", "pause", "resume", "purge", "purge-journal", "restart-as-new")
BATCH = "/internal/invocations_batch_operations"

Bring = Callable[[InvocationClient], Awaitable[str]]


async def scheduled(client: InvocationClient) -> str:
    answer = await client.ingress.post("/Greeter/greet/send", json="x", params={"delay": "1h"})
    return str(answer.json()["invocationId"])


async def running(client: InvocationClient) -> str:
    invocation_id = await client.send("/Greeter/wait")

    async def waits() -> bool:
        return len(await client.query(f"SELECT id FROM sys_journal WHERE id = '{invocation_id}'")) >= 3

    await until(waits)
    return invocation_id


async def paused(client: InvocationClient) -> str:
    invocation_id = await running(client)
    await client.act("pause", invocation_id)
    await client.until_status(invocation_id, "paused")
    return invocation_id


async def completed(client: InvocationClient) -> str:
    return str((await client.post("/Greeter/greet", "x")).headers["x-restate-id"])


async def status(client: InvocationClient, invocation_id: str, verb: str) -> int:
    return (await client.admin.patch(f"/invocations/{invocation_id}/{verb}")).status_code


@pytest.mark.parametrize(
    ("bring", "expected"),
    [
        # In an order in which one verb leaves the next one its status.
        (scheduled, {"pause": 409, "resume": 425, "purge": 409, "restart-as-new": 425, "cancel": 200}),
        (running, {"resume": 200, "purge": 409, "restart-as-new": 409, "resume?deployment=latest": 409}),
        (running, {"pause": 202}),
        (running, {"cancel": 202}),
        (running, {"kill": 200}),
        (
            paused,
            {"pause": 200, "purge-journal": 409, "restart-as-new": 409, "resume?deployment=latest": 200},
        ),
        (paused, {"resume?deployment=dp_11PXGI5eVjTPXhXYEnLJzNX": 400, "kill": 200}),
        (completed, {"cancel": 409, "kill": 409, "pause": 409, "resume": 409, "restart-as-new?from=99": 400}),
        (
            completed,
            {"restart-as-new?from=2": 200, "purge-journal": 200, "restart-as-new": 410, "purge": 200},
        ),
    ],
)
async def test_verbs_in_each_status(client: InvocationClient, bring: Bring, expected: dict[str, int]) -> None:
    invocation_id = await bring(client)
    answered = {verb: await status(client, invocation_id, verb) for verb in expected}
    await client.act("kill", invocation_id)
    assert answered == expected


@pytest.mark.parametrize("verb", VERBS)
async def test_verbs_on_nothing(client: InvocationClient, verb: str) -> None:
    assert await status(client, UNKNOWN, verb) == 404
    assert await status(client, "nonsense", verb) == 400


async def test_a_workflow_is_not_restarted(client: InvocationClient) -> None:
    ran = await client.post("/Signup/restarted/run")
    assert await status(client, ran.headers["x-restate-id"], "restart-as-new") == 422


async def test_batches(client: InvocationClient) -> None:
    waits, done = await running(client), await completed(client)
    body = {"invocation_ids": [waits, done, UNKNOWN]}
    told = (await client.admin.post(f"{BATCH}/kill", json=body)).json()
    assert told["succeeded"] == [waits]
    assert [sorted(failed) for failed in told["failed"]] == [["error", "invocation_id"]] * 2
    assert [failed["invocation_id"] for failed in told["failed"]] == [done, UNKNOWN]

    restarted = (await client.admin.post(f"{BATCH}/restart-as-new", json={"invocation_ids": [done]})).json()
    [pair] = restarted["succeeded"]
    assert pair["old_invocation_id"] == done
    assert await client.result(pair["new_invocation_id"]) == "hello x"

    too_many = {"invocation_ids": [UNKNOWN] * 1001}
    assert (await client.admin.post(f"{BATCH}/purge", json=too_many)).status_code == 400


async def test_deployments(client: InvocationClient, pointed) -> None:
    identity = (await client.admin.get("/services/Greeter")).json()["deployment_id"]
    unknown = "/deployments/dp_11PXGI5eVjTPXhXYEnLJzNX"
    body = {"uri": pointed.endpoint.url, "use_http_11": False}
    answered = [
        (await client.admin.get(unknown)).status_code,
        (await client.admin.patch(unknown, json=body)).status_code,
        (await client.admin.delete(f"{unknown}?force=true")).status_code,
        (await client.admin.delete(f"/deployments/{identity}")).status_code,
        (await client.admin.patch(f"/deployments/{identity}", json={})).status_code,
        (await client.admin.patch(f"/deployments/{identity}", json=body)).status_code,
        (await client.admin.put(f"/v4/deployments/{identity}", json=body)).status_code,
        (await client.admin.put(f"/v2/deployments/{identity}", json=body)).status_code,
        (await client.admin.post("/v2/deployments", json=body | {"force": False})).status_code,
        (await client.admin.post("/v3/deployments", json=body)).status_code,
    ]
    assert answered == [404, 404, 404, 501, 200, 200, 405, 200, 409, 200]


async def test_services(client: InvocationClient) -> None:
    state = {"object_key": "k", "new_state": {"a": [1]}}
    answered = [
        (await client.admin.get("/services/None")).status_code,
        (await client.admin.get("/services/None/openapi")).status_code,
        (await client.admin.patch("/services/Greeter", json={})).status_code,
        (
            await client.admin.patch("/services/Greeter", json={"workflow_completion_retention": "1d"})
        ).status_code,
        (
            await client.admin.patch("/services/Signup", json={"workflow_completion_retention": "1d"})
        ).status_code,
        (await client.admin.post("/services/Greeter/state", json=state)).status_code,
        (await client.admin.post("/services/None/state", json=state)).status_code,
        (await client.admin.post("/services/None/state", json=state | {"new_state": {}})).status_code,
        (await client.admin.post("/services/Counter/state", json=state)).status_code,
    ]
    assert answered == [404, 404, 200, 400, 200, 400, 404, 202, 202]


async def test_a_service_has_the_same_fields(client: InvocationClient) -> None:
    """The same names with values of the same types: tools are written in languages that mind."""
    described = (await client.admin.get("/services/Signup")).json()
    [handler] = described.pop("handlers")
    assert (await client.admin.get("/services/Signup/handlers")).json() == {"handlers": [handler]}
    assert (await client.admin.get("/services/Signup/handlers/run")).json() == handler
    assert (await client.admin.get("/services/Signup/handlers/none")).status_code == 404
    assert {name: type(value).__name__ for name, value in described.items()} == {
        "name": "str",
        "ty": "str",
        "deployment_id": "str",
        "revision": "int",
        "public": "bool",
        "idempotency_retention": "str",
        "workflow_completion_retention": "str",
        "journal_retention": "str",
        "inactivity_timeout": "str",
        "abort_timeout": "str",
        "enable_lazy_state": "bool",
        "retry_policy": "dict",
    }
    assert handler | {"output_json_schema": ...} == {
        "name": "run",
        "ty": "Workflow",
        "public": True,
        "input_description": "none",
        "output_description": "JSON string",
        "output_json_schema": ...,
        "retry_policy": {"max_attempts": None},
    }
