"""Services: what they are, how they are configured, how they are called, what they remember."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta

import pytest
import restate

pytestmark = pytest.mark.anyio

service = restate.Service("S", description="Says things.", inactivity_timeout=timedelta(seconds=90))
counter = restate.VirtualObject("Counter")
flow = restate.Workflow("Flow")


@service.handler(invocation_retry_policy=restate.InvocationRetryPolicy(max_attempts=3))
async def shout(ctx: restate.Context, word: str) -> str:
    """Louder."""
    return word.upper()


@service.handler(ingress_private=True, inactivity_timeout=timedelta(seconds=5))
async def hidden(ctx: restate.Context) -> None: ...


@counter.handler()
async def add(ctx: restate.ObjectContext, by: int) -> int:
    value = (await ctx.get("value", type_hint=int) or 0) + by
    ctx.set("value", value)
    return value


@counter.handler()
async def hold(ctx: restate.ObjectContext) -> None:
    await ctx.sleep(timedelta(hours=1))


@counter.handler(kind="shared")
async def read(ctx: restate.ObjectSharedContext) -> int:
    return await ctx.get("value", type_hint=int) or 0


@flow.main()
async def run(ctx: restate.WorkflowContext) -> str:
    return ctx.key()


async def test_a_service_says_what_is_in_force(start_engine) -> None:
    async with start_engine(service, counter, flow) as engine:
        described = (await engine.admin.get("/services/S")).json()
        names = [s["name"] for s in (await engine.admin.get("/v3/services")).json()["services"]]
        kinds = {
            name: [
                handler.get("ty")
                for handler in (await engine.admin.get(f"/services/{name}")).json()["handlers"]
            ]
            for name in names
        }

    assert names == ["Counter", "Flow", "S"]
    assert kinds == {"S": [None, None], "Counter": ["Exclusive", "Exclusive", "Shared"], "Flow": ["Workflow"]}
    handlers = {handler["name"]: handler for handler in described.pop("handlers")}
    described.pop("deployment_id")
    assert described == {
        "name": "S",
        "ty": "Service",
        "documentation": "Says things.",
        "revision": 1,
        "public": True,
        "idempotency_retention": "1d",
        "journal_retention": "1d",
        "inactivity_timeout": "1m 30s",
        "abort_timeout": "10m",
        "enable_lazy_state": False,
        "retry_policy": {
            "initial_interval": "500ms",
            "exponentiation_factor": 2.0,
            "max_attempts": 70,
            "max_interval": "1m",
            "on_max_attempts": "Pause",
        },
    }
    assert handlers["hidden"]["public"] is False
    assert handlers["hidden"]["inactivity_timeout"] == "5s"
    assert handlers["shout"]["retry_policy"] == {"max_attempts": 3}
    assert handlers["shout"]["input_description"] == "JSON string"


async def test_what_a_person_sets_is_honoured_and_kept(start_engine) -> None:
    body = {"public": False, "journal_retention": "2h", "inactivity_timeout": "PT3S", "abort_timeout": None}
    async with start_engine(service, counter) as engine:
        configured = await engine.admin.patch("/services/S", json=body)
        assert configured.status_code == 200
        assert (await engine.call("S/shout", "x")).status_code in (400, 404), "it is private now"

    async with start_engine(service, counter) as engine:
        kept = (await engine.admin.get("/services/S")).json()
        assert kept == configured.json()
        assert (kept["journal_retention"], kept["inactivity_timeout"], kept["abort_timeout"]) == (
            "2h",
            "3s",
            "10m",
        )
        hidden = next(h for h in kept["handlers"] if h["name"] == "hidden")
        assert hidden["inactivity_timeout"] == "5s", "what a handler says of itself stands"

        await engine.admin.patch("/services/S", json={"public": True, "journal_retention": "0s"})
        answer = await engine.call("S/shout", "x")
        assert answer.json() == "X"
        assert (await engine.admin.get("/services/S")).json()["inactivity_timeout"] == "3s"


@pytest.mark.parametrize(
    ("name", "body", "status", "says"),
    [
        ("S", {"journal_retention": "soon"}, 400, "'soon' is not a duration"),
        ("S", {"journal_retention": -1}, 400, "journal_retention"),
        ("S", {"workflow_completion_retention": "1d"}, 400, "is no workflow"),
        ("None", {"public": True}, 404, "service 'None' not found"),
    ],
)
async def test_a_configuration_that_cannot_be(start_engine, name, body, status, says) -> None:
    async with start_engine(service) as engine:
        answer = await engine.admin.patch(f"/services/{name}", json=body)
    assert answer.status_code == status
    assert says in answer.json()["message"]


async def test_the_paths_of_its_openapi_document_work(start_engine) -> None:
    async with start_engine(service, counter, flow) as engine:
        documents = {
            name: (await engine.admin.get(f"/services/{name}/openapi")).json()
            for name in ("S", "Counter", "Flow")
        }
        ingress = documents["S"]["servers"][0]["url"]
        assert list(documents["S"]["paths"]) == ["/restate/call/S/shout", "/restate/send/S/shout"]
        called = await engine.ingress.post(f"{ingress}/restate/call/S/shout", json="x")
        assert called.json() == "X"
        path = "/restate/send/Counter/{key}/add"
        assert documents["Counter"]["paths"][path]["post"]["operationId"] == "addSend"
        assert (await engine.ingress.post(path.replace("{key}", "a"), json=1)).status_code == 202
        assert (await engine.ingress.post("/restate/call/Flow/w/run")).json() == "w"
        assert "/restate/workflow/Flow/{key}/output" in documents["Flow"]["paths"]
        assert (await engine.ingress.get("/restate/workflow/Flow/w/output")).json() == "w"
        assert (await engine.admin.get("/services/None/openapi")).status_code == 404


# ---- state


def version_of(**state: bytes) -> str:
    """As Restate's tools compute it."""
    digest = hashlib.sha256()
    for index, (name, value) in enumerate(sorted(state.items())):
        digest.update(index.to_bytes(8, "big") + b"\1" + name.encode() + b"\2" + value + b"\3")
    return base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")


def write(value: bytes | None, **more: object) -> dict[str, object]:
    state = {} if value is None else {"value": list(value)}
    return {"object_key": "a", "new_state": state, **more}


async def test_state_is_written_if_it_is_as_it_was_read(start_engine) -> None:
    async with start_engine(counter) as engine:
        url = "/services/Counter/state"
        await engine.call("Counter/a/add", 1)
        assert (
            await engine.admin.post(url, json=write(b"41", version=version_of(value=b"1")))
        ).status_code == 202
        assert (await engine.call("Counter/a/add", 1)).json() == 42

        late = await engine.admin.post(url, json=write(b"0", version=version_of(value=b"1")))
        assert late.status_code == 409
        assert "has changed since it was read" in late.json()["message"]
        assert (await engine.call("Counter/a/read")).json() == 42
        assert (await engine.admin.post(url, json=write(None))).status_code == 202
        assert (await engine.call("Counter/a/read")).json() == 0
        assert (await engine.admin.post(url, json=write(b"7", version=version_of()))).status_code == 202
        assert (await engine.call("Counter/a/read")).json() == 7


async def test_state_is_not_written_under_a_handler_that_has_it(start_engine) -> None:
    async with start_engine(counter) as engine:
        holder = await engine.send("Counter/a/hold")
        await engine.when(holder, lambda view: len(view["journal"]) > 1)
        busy = await engine.admin.post("/services/Counter/state", json=write(b"1"))
        assert busy.status_code == 409
        assert holder in busy.json()["message"]
        await engine.admin.patch(f"/invocations/{holder}/kill")
        assert (await engine.admin.post("/services/Counter/state", json=write(b"1"))).status_code == 202


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("S", write(b"1"), 400),
        ("None", write(b"1"), 404),
        ("None", write(None), 202),
        ("Counter", {"object_key": "a", "new_state": {"value": [256]}}, 400),
        ("Counter", {"object_key": "a"}, 400),
    ],
)
async def test_state_that_cannot_be_written(start_engine, name, body, status) -> None:
    async with start_engine(service, counter) as engine:
        assert (await engine.admin.post(f"/services/{name}/state", json=body)).status_code == status


async def test_tools_find_out_which_api_this_is(start_engine) -> None:
    async with start_engine(service) as engine:
        about = (await engine.admin.get("/version")).json()
        assert (about["min_admin_api_version"], about["max_admin_api_version"]) == (2, 4)
        assert about["features"]["vqueues"] is False
        for prefix in ("", "/v2", "/v3", "/v4"):
            assert (await engine.admin.get(f"{prefix}/health")).status_code == 200
            assert (await engine.admin.get(f"{prefix}/services/S")).json()["name"] == "S"
        assert (await engine.admin.get("/v5/services")).status_code == 404
        assert (await engine.admin.get("/cluster-health")).json()["cluster_name"] == "perdure"
