"""The admin API, as far as both engines say the same: verbs of invocations, state, settings, SQL."""

from __future__ import annotations

import base64
import hashlib

import pytest
from invocation_client import InvocationClient, until
from served_engine import Served

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


def version_of(state: dict[str, bytes]) -> str:
    """What a state write says that it was made from: a digest of what was read."""
    digest = hashlib.sha256()
    for n, (key, value) in enumerate(sorted(state.items())):
        digest.update(n.to_bytes(8, "big"))
        for part, text in ((b"\x01", key.encode()), (b"\x02", value)):
            digest.update(part + text)
        digest.update(b"\x03")
    return base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")


# ---- verbs


async def test_purge_forgets_what_has_ended(client: InvocationClient) -> None:
    invocation_id = (await client.post("/Basics/greet", "Ada")).headers["x-restate-id"]
    assert (await client.output(invocation_id)).json() == "hello Ada"
    assert (await client.act("purge", invocation_id)).is_success
    assert (await client.output(invocation_id)).status_code == 404


async def test_purge_frees_an_idempotency_key(client: InvocationClient, label: str) -> None:
    first = await client.post("/Calls/append", label, idempotency_key=label)
    await client.act("purge", first.headers["x-restate-id"])
    assert await client.call("/Calls/append", label, idempotency_key=label) == 2


async def test_purge_frees_a_workflows_key_and_its_state(client: InvocationClient, label: str) -> None:
    path = f"/Signup/{label}"
    await client.call(f"{path}/click", "x")
    asked = {"name": "Ada", "label": label}
    invocation_id = await client.send(f"{path}/run", asked)
    await client.attach(invocation_id)
    await client.act("purge", invocation_id)
    assert await client.call(f"{path}/stored") == [None, None, label]
    assert await client.call(f"{path}/peek") == [None]
    await client.call(f"{path}/click", "y")
    assert await client.call(f"{path}/run", asked) == "Ada clicked y"


async def test_what_runs_is_not_purged(client: InvocationClient, label: str) -> None:
    invocation_id = await client.send("/Signals/wait_for_awakeable", label)
    [name] = await client.noted(label)
    assert (await client.act("purge", invocation_id)).status_code == 409
    await client.post(f"/restate/awakeables/{name}/resolve", 1)
    assert await client.result(invocation_id) == 1


async def test_pause_and_resume(client: InvocationClient, label: str) -> None:
    """While it runs: ours pauses what is suspended, too; restate-server does so after 1.7."""
    invocation_id = await client.send("/Signals/wait_for_awakeable", label)
    [name] = await client.noted(label)
    assert (await client.act("pause", invocation_id)).is_success
    await client.until_status(invocation_id, "paused")
    await client.post(f"/restate/awakeables/{name}/resolve", "meanwhile")
    assert (await client.output(invocation_id)).status_code == 470
    assert (await client.act("resume", invocation_id)).is_success
    assert await client.result(invocation_id) == "meanwhile"


@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_what_has_ended_is_neither_paused_nor_resumed(client: InvocationClient, verb: str) -> None:
    invocation_id = (await client.post("/Basics/greet", "Ada")).headers["x-restate-id"]
    assert (await client.act(verb, invocation_id)).status_code == 409


async def test_restart_as_new(client: InvocationClient, label: str) -> None:
    invocation_id = (await client.post("/Calls/append", label)).headers["x-restate-id"]
    restarted = await client.act("restart-as-new", invocation_id)
    assert restarted.is_success
    new_id = restarted.json()["new_invocation_id"]
    assert new_id != invocation_id
    assert await client.result(new_id) == 2


# ---- state, written from outside


async def test_state_is_written_from_outside(client: InvocationClient, label: str) -> None:
    body = {"object_key": label, "new_state": {"a": list(b"1"), "b": list(b'"two"')}}
    assert (await client.admin.post("/services/Eager/state", json=body)).status_code == 202

    async def there() -> bool:
        return bool(await client.call(f"/Eager/{label}/keys") == ["a", "b"])

    await until(there)
    assert await client.call(f"/Eager/{label}/get", "b") == ["two"]


async def test_state_is_replaced_by_one_who_saw_the_newest(
    client: InvocationClient, served: Served, label: str
) -> None:
    """Ours says that a write came too late; restate-server accepts it and drops it silently."""
    await client.call(f"/Eager/{label}/set", {"a": 1})
    stale = {"object_key": label, "version": version_of({"a": b"0"}), "new_state": {"a": list(b"5")}}
    fresh = {"object_key": label, "version": version_of({"a": b"1"}), "new_state": {"a": list(b"6")}}
    too_late = await client.admin.post("/services/Eager/state", json=stale)
    assert too_late.status_code == (409 if served.name == "embedded" else 202)
    assert (await client.admin.post("/services/Eager/state", json=fresh)).status_code == 202

    async def replaced() -> bool:
        return bool(await client.call(f"/Eager/{label}/get", "a") == [6])

    await until(replaced)


# ---- settings of services


async def test_a_service_is_hidden_and_shown_again(client: InvocationClient) -> None:
    hidden = await client.admin.patch("/services/Parent", json={"public": False})
    assert hidden.json()["public"] is False
    refused = await client.post("/Parent/start_signup/send", {"name": "Ada", "label": "hidden"})
    assert (refused.status_code, refused.json()["source"]) == (400, "ingress")
    shown = await client.admin.patch("/services/Parent", json={"public": True})
    assert shown.json()["public"] is True


async def test_a_service_describes_itself(client: InvocationClient) -> None:
    said = (await client.admin.get("/services/Queue")).json()
    assert (said["name"], said["ty"], said["public"]) == ("Queue", "VirtualObject", True)
    document = (await client.admin.get("/services/Queue/openapi")).json()
    assert any("remember" in path for path in document["paths"])
    assert (await client.admin.get("/services/Nobody")).status_code == 404


async def test_a_deployment_describes_itself(client: InvocationClient, served: Served) -> None:
    listed = (await client.admin.get("/deployments")).json()["deployments"]
    ours = next(d for d in listed if d["uri"].rstrip("/") == served.endpoint.url)
    said = (await client.admin.get(f"/deployments/{ours['id']}")).json()
    assert said["uri"] == ours["uri"]
    assert "Basics" in {service["name"] for service in said["services"]}
    assert (await client.admin.get("/deployments/dp_unknown")).status_code in (400, 404)


# ---- SQL


async def test_an_invocation_and_its_journal_in_sql(client: InvocationClient, label: str) -> None:
    answer = await client.post("/Steps/in_order", {"label": label, "count": 2})
    invocation_id = answer.headers["x-restate-id"]
    [row] = await client.query(f"SELECT * FROM sys_invocation WHERE id = '{invocation_id}'")
    assert (row["target"], row["status"], row["completion_result"]) == (
        "Steps/in_order",
        "completed",
        "success",
    )
    assert (row["target_service_name"], row["target_service_ty"]) == ("Steps", "service")
    journal = await client.query(
        f"SELECT entry_type, name FROM sys_journal WHERE id = '{invocation_id}' ORDER BY index"
    )
    assert [
        (e["entry_type"], e.get("name") or "") for e in journal if e["entry_type"].startswith("Command")
    ] == [
        ("Command: Input", ""),
        ("Command: Run", "step 0"),
        ("Command: Run", "step 1"),
        ("Command: Output", ""),
    ]


async def test_state_in_sql(client: InvocationClient, label: str) -> None:
    await client.call(f"/Eager/{label}/set", {"a": 1, "b": "two"})
    rows = await client.query(
        "SELECT key, value_utf8 FROM state "
        f"WHERE service_name = 'Eager' AND service_key = '{label}' ORDER BY key",
    )
    assert [(row["key"], row["value_utf8"]) for row in rows] == [("a", "1"), ("b", '"two"')]


async def test_who_waits_for_an_object_in_sql(client: InvocationClient, label: str) -> None:
    holder = await client.send(f"/Queue/{label}/hold", label)
    [name] = await client.noted(label)
    waiting = await client.send(f"/Queue/{label}/remember", 1)
    rows = await client.query(f"SELECT id FROM sys_inbox WHERE service_key = '{label}'")
    assert [row["id"] for row in rows] == [waiting]
    [row] = await client.query(
        f"SELECT invocation_id FROM sys_keyed_service_status WHERE service_key = '{label}'"
    )
    assert row["invocation_id"] == holder
    await client.post(f"/restate/awakeables/{name}/resolve", None)


async def test_promises_in_sql(client: InvocationClient, label: str) -> None:
    await client.call(f"/Signup/{label}/click", "x")
    [row] = await client.query(
        f"SELECT key, completed, completion_success_value_utf8 AS value "
        f"FROM sys_promise WHERE service_key = '{label}'",
    )
    assert (row["key"], row["completed"], row["value"]) == ("click", True, '"x"')


async def test_counting_by_status(client: InvocationClient, label: str) -> None:
    await client.call("/Calls/append", label)
    sql = "SELECT target, COUNT(*) AS n FROM sys_invocation WHERE status = 'completed' GROUP BY target"
    counted = {row["target"]: row["n"] for row in await client.query(sql)}
    assert counted["Calls/append"] >= 1


async def test_sql_that_cannot_be_read(client: InvocationClient) -> None:
    for sql in ("SELEC 1", "SELECT nothing FROM sys_invocation", "SELECT * FROM nobody"):
        response = await client.admin.post("/query", json={"query": sql})
        assert response.status_code >= 400
        assert response.json()["message"]
