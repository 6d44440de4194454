"""Requests and their answers, the same on the embedded engine and on the real restate-server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from engines import ENGINES, engine, running

from perdure.protocol.ids import encode_awakeable_id

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

EACH_ENGINE = [
    pytest.param(name, marks=pytest.mark.restate if name == "restate-server" else ()) for name in ENGINES
]
UNKNOWN = "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz"
AWAKEABLE = encode_awakeable_id(UNKNOWN, 17)
JSON = {"content-type": "application/json"}
KEY = {**JSON, "idempotency-key": "7"}
BY_KEY = {"target": "idempotentInvocation", "service": "Greeter", "handler": "greet", "idempotencyKey": "7"}
BY_WORKFLOW = {"target": "workflow", "workflowName": "Signup", "workflowKey": "ada"}
PAGE = {"origin": "http://localhost:5173"}


@pytest.fixture(scope="module", params=EACH_ENGINE)
async def ingress(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx2.AsyncClient]:
    services = str(Path(__file__).with_name("every_kind.py"))
    one = engine(request.param, services, tmp_path_factory.mktemp(request.param))
    async with running(one), httpx2.AsyncClient(base_url=one.ingress_url, timeout=20) as client:
        yield client


@pytest.mark.parametrize(
    ("request_line", "body", "headers", "status", "source"),
    [
        ("POST /Greeter/greet", '"Ada"', JSON, 200, None),
        ("POST /Greeter/greet/", '"Ada"', JSON, 200, None),
        ("POST /Greeter/greet", '"Ada"', {"content-type": "application/json; charset=utf-8"}, 200, None),
        ("POST /Greeter/greet", '"Ada"', {}, 400, "ingress"),
        ("POST /Greeter/greet", '"Ada"', {"content-type": "text/plain"}, 400, "ingress"),
        ("POST /Greeter/greet", "", JSON, 400, "ingress"),
        ("POST /Greeter/ping", "", {}, 200, None),
        ("GET /Greeter/ping", "", {}, 200, None),
        ("POST /Greeter/ping", '"x"', JSON, 400, "ingress"),
        ("POST /Greeter/refuse", "404", JSON, 404, "invocation"),
        ("POST /Greeter/refuse", "500", JSON, 500, "invocation"),
        ("POST /Greeter/secret", '"Ada"', JSON, 400, "ingress"),
        ("POST /Nobody/greet", '"Ada"', JSON, 404, "ingress"),
        ("POST /Greeter/nothing", '"Ada"', JSON, 404, "ingress"),
        ("POST /Greeter", '"Ada"', JSON, 400, "ingress"),
        ("GET /", "", {}, 400, "ingress"),
        ("POST /Greeter/greet/x", '"Ada"', JSON, 400, "ingress"),
        ("POST /Counter/add", "1", JSON, 400, "ingress"),
        ("POST /Counter/a%2Fb/add", "1", JSON, 200, None),
        ("PUT /Greeter/greet", '"Ada"', JSON, 405, "ingress"),
        ("DELETE /Greeter/greet", "", {}, 405, "ingress"),
        ("POST /Greeter/greet/send", '"Ada"', JSON, 202, None),
        ("POST /Greeter/greet/send?delay=1h", '"Ada"', JSON, 202, None),
        ("POST /Greeter/greet/send?DELAY=PT1H", '"Ada"', JSON, 202, None),
        ("POST /Greeter/greet/send?delay=soon", '"Ada"', JSON, 400, "ingress"),
        ("POST /Greeter/greet/send?delay=", '"Ada"', JSON, 400, "ingress"),
        ("POST /Greeter/greet?delay=1s", '"Ada"', JSON, 400, "ingress"),
        ("POST /Greeter/greet?limit-key=a", '"Ada"', JSON, 400, "ingress"),
        ("POST /restate/call/Greeter/greet", '"Ada"', JSON, 200, None),
        ("POST /restate/send/Greeter/greet", '"Ada"', JSON, 202, None),
        ("POST /restate/call/Counter/k/add", "1", JSON, 200, None),
        ("POST /restate/call/Greeter", '"Ada"', JSON, 400, "ingress"),
        ("POST /restate/scope/s/call/Greeter/greet", '"Ada"', JSON, 400, "ingress"),
        ("POST /Signup/bob/run", '"Bob"', {**JSON, "idempotency-key": "7"}, 400, "ingress"),
        ("GET /restate/workflow/Signup/nobody/output", "", {}, 404, "ingress"),
        ("GET /restate/workflow/Nothing/nobody/output", "", {}, 404, "ingress"),
        ("GET /restate/workflow/Signup/nobody/other", "", {}, 404, "ingress"),
        ("GET /restate/invocation/Greeter/greet/none/output", "", {}, 404, "ingress"),
        ("GET /restate/invocation/Nobody/greet/none/output", "", {}, 404, "ingress"),
        (f"GET /restate/invocation/{UNKNOWN}/output", "", {}, 404, "ingress"),
        (f"POST /restate/invocation/{UNKNOWN}/attach", "", {}, 405, "ingress"),
        ("GET /restate/invocation/nonsense/output", "", {}, 400, "ingress"),
        ("GET /restate/invocation/nonsense", "", {}, 400, "ingress"),
        (f"GET /restate/output/{UNKNOWN}", "", {}, 404, "ingress"),
        ("GET /restate/lookup", "", {}, 405, "ingress"),
        (f"POST /restate/awakeables/{AWAKEABLE}/resolve", "1", JSON, 202, None),
        (f"POST /restate/a/{AWAKEABLE}/reject", "1", JSON, 202, None),
        ("POST /restate/awakeables/sign_1xyz/resolve", "1", JSON, 400, "ingress"),
        ("POST /restate/awakeables/x", "1", JSON, 400, "ingress"),
        ("GET /restate/awakeables/sign_1xyz/resolve", "", {}, 405, "ingress"),
        ("GET /restate/health", "", {}, 200, None),
        ("POST /restate/health", "", {}, 405, "ingress"),
        ("GET /restate/nothing", "", {}, 404, "ingress"),
        ("GET /restate", "", {}, 400, "ingress"),
        ("GET /openapi", "", {}, 400, "ingress"),
        ("GET /openapi/Greeter", "", {}, 404, "ingress"),
    ],
)
async def test_status_and_source(ingress, request_line, body, headers, status, source) -> None:
    method, path = request_line.split()
    answer = await ingress.request(method, path, content=body.encode(), headers={**headers, **PAGE})

    assert answer.status_code == status, answer.text
    assert answer.headers.get("x-restate-error-source") == source
    assert answer.headers["access-control-allow-origin"] == PAGE["origin"]
    if source is not None:
        error = answer.json()
        assert sorted(error) == ["code", "message", "source"]
        assert (error["code"], error["source"]) == (status, source)


async def test_health_names_what_is_deployed(ingress) -> None:
    answer = await ingress.get("/restate/health")
    assert sorted(answer.json()["services"]) == ["Counter", "Greeter", "Signup"]


async def test_every_name_of_an_idempotent_invocation_leads_to_it(ingress) -> None:
    first = await ingress.post("/Greeter/greet", json="Ada", headers=KEY)
    again = await ingress.post("/Greeter/greet", json="Eve", headers=KEY)
    sent = await ingress.post("/Greeter/greet/send", json="Eve", headers=KEY)
    invocation_id = first.headers["x-restate-id"]

    assert "idempotency-expires" not in first.headers
    assert again.json() == "Hello Ada"
    assert sent.json() == {"invocationId": invocation_id, "status": "PreviouslyAccepted"}
    assert (await ingress.post("/restate/lookup", json=BY_KEY)).json() == {"invocationId": invocation_id}
    for answer in (
        again,
        await ingress.get("/restate/invocation/Greeter/greet/7/output"),
        await ingress.get("/restate/invocation/Greeter/greet/7/attach"),
        await ingress.get(f"/restate/output/{invocation_id}"),
        await ingress.get(f"/restate/attach/{invocation_id}"),
        await ingress.post("/restate/output", json=BY_KEY),
        await ingress.post("/restate/attach", json=BY_KEY),
    ):
        assert answer.json() == "Hello Ada"
        assert answer.headers["x-restate-id"] == invocation_id
        assert answer.headers["idempotency-expires"].endswith("+00:00")


async def test_a_workflows_run_is_named_by_its_key(ingress) -> None:
    first = await ingress.post("/Signup/ada/run", json="Ada")
    second = await ingress.post("/Signup/ada/run", json="Ada")
    invocation_id = first.headers["x-restate-id"]

    assert (second.status_code, second.headers["x-restate-error-source"]) == (409, "invocation")
    assert second.headers["x-restate-id"] == invocation_id
    assert (await ingress.post("/restate/lookup", json=BY_WORKFLOW)).json() == {"invocationId": invocation_id}
    for answer in (
        await ingress.get("/restate/workflow/Signup/ada/output"),
        await ingress.get("/restate/workflow/Signup/ada/attach"),
        await ingress.post("/restate/attach", json=BY_WORKFLOW),
    ):
        assert (answer.json(), answer.headers["x-restate-id"]) == ("Ada", invocation_id)


async def test_what_a_delayed_send_answers(ingress) -> None:
    answer = await ingress.post("/Greeter/greet/send?delay=1h", json="Ada")

    assert sorted(json.loads(answer.text)) == ["executionTime", "invocationId", "status"]
    assert answer.headers["x-restate-id"] == answer.json()["invocationId"]
