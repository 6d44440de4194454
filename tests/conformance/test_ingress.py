"""The ingress as clients see it: paths, statuses, shapes, delays, idempotency, attach and output."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest
from invocation_client import InvocationClient
from served_engine import Served

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/Nobody/greet", 404),
        ("/Nobody/key/greet", 404),
        ("/Basics/nobody", 404),
        ("/Queue/key/nobody", 404),
        ("/Signup/key/nobody", 404),
        ("/Basics", 400),
        ("/", 400),
        ("/Queue/key", 400),
        ("/Basics/greet/and/more", 400),
        ("/restate/invocation/inv_1nonsense/attach", 400),
        ("/restate/awakeables/sign_1nonsense/resolve", 400),
    ],
)
async def test_a_path_that_leads_nowhere(client: InvocationClient, path: str, status: int) -> None:
    method = "GET" if path.endswith("attach") else "POST"
    response = await client.ingress.request(method, path, content=b'"x"', headers=JSON)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.json()["code"] == status
    assert response.json()["message"]
    assert response.json()["source"] == response.headers["x-restate-error-source"] == "ingress"


async def test_a_failed_invocation_names_its_source(client: InvocationClient) -> None:
    response = await client.post("/Basics/refuse", {"code": 404, "message": "no such seat"})
    assert response.json() == {"code": 404, "message": "no such seat", "source": "invocation"}
    assert response.headers["x-restate-error-source"] == "invocation"


async def test_get_calls_a_handler_too(client: InvocationClient) -> None:
    assert (await client.ingress.get("/Basics/nothing")).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(client: InvocationClient, method: str) -> None:
    assert (await client.ingress.request(method, "/Basics/nothing")).status_code == 405


async def test_health(client: InvocationClient) -> None:
    assert (await client.ingress.get("/restate/health")).status_code == 200
    assert (await client.admin.get("/health")).status_code == 200


async def test_a_wrong_content_type_is_refused(client: InvocationClient) -> None:
    response = await client.ingress.post(
        "/Basics/greet", content='"Ada"', headers={"content-type": "text/plain"}
    )
    assert response.status_code in (400, 415)


async def test_a_body_where_none_is_taken_is_refused(client: InvocationClient) -> None:
    assert (await client.post("/Basics/nothing", 1)).status_code == 400


async def test_a_body_that_is_not_json(client: InvocationClient, served: Served) -> None:
    """Ours says so at the door (decision 0004); restate-server lets it through, and the handler fails."""
    response = await client.ingress.post("/Basics/greet", content="{bad", headers=JSON)
    assert response.status_code == (400 if served.name == "embedded" else 500)


async def test_an_empty_body_where_text_is_needed(client: InvocationClient, served: Served) -> None:
    """Ours says so at the door (decision 0004); restate-server lets None through."""
    response = await client.ingress.post("/Basics/greet")
    if served.name == "embedded":
        assert response.status_code == 400
    else:
        assert response.json() == "hello None"


async def test_json_of_the_wrong_type(client: InvocationClient, served: Served) -> None:
    """Ours checks the schema at the door (decision 0004); on restate-server it fails until it is killed."""
    response = await client.post("/Basics/letters/send", "three")
    if served.name == "embedded":
        assert response.status_code == 400
    else:
        assert response.status_code == 202
        await client.act("kill", response.json()["invocationId"])


async def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(client: InvocationClient) -> None:
    """By its declared length: a client that went on sending would see no answer but a closed connection."""
    url = client.ingress.base_url
    head = f"POST /Basics/raw HTTP/1.1\r\nhost: {url.host}\r\ncontent-length: {64 * 1024 * 1024}\r\n\r\n"
    async with await anyio.connect_tcp(url.host, url.port or 80) as connection:
        await connection.send(head.encode())
        assert (await connection.receive()).startswith(b"HTTP/1.1 413")


async def test_a_call_cannot_be_delayed(client: InvocationClient) -> None:
    assert (await client.post("/Basics/greet?delay=1s", "Ada")).status_code == 400


@pytest.mark.parametrize("delay", ["1h", "90s", "PT1H", "P1D", "1500ms", "1h30m"])
async def test_delays_in_each_notation(client: InvocationClient, label: str, delay: str) -> None:
    response = await client.post(f"/Calls/append/send?delay={delay}", label)
    assert response.status_code == 202
    answer = response.json()
    assert answer["status"] == "Accepted"
    assert answer["executionTime"] > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    assert response.headers["x-restate-id"] == answer["invocationId"]
    assert (await client.output(answer["invocationId"])).status_code == 470


@pytest.mark.parametrize("delay", ["soon", "10", "tomorrow at 9"])
async def test_a_bad_delay_is_refused(client: InvocationClient, label: str, delay: str) -> None:
    assert (await client.post(f"/Calls/append/send?delay={delay}", label)).status_code == 400


async def test_a_send_is_accepted_before_it_ran(client: InvocationClient, label: str) -> None:
    response = await client.post("/Calls/append/send", label)
    assert response.status_code == 202
    assert response.json() == {"invocationId": response.headers["x-restate-id"], "status": "Accepted"}
    assert await client.result(response.json()["invocationId"]) == 1


async def test_call_and_send_by_verb(client: InvocationClient, label: str) -> None:
    called = await client.post("/restate/call/Basics/greet", "Ada")
    assert called.json() == "hello Ada"
    sent = await client.post("/restate/send/Calls/append", label)
    assert sent.status_code == 202
    assert await client.result(sent.json()["invocationId"]) == 1


async def test_output_while_it_runs_and_after(client: InvocationClient, label: str) -> None:
    invocation_id = await client.send("/Signals/wait_for_awakeable", label)
    [name] = await client.noted(label)
    early = await client.output(invocation_id)
    assert (early.status_code, early.json()["code"]) == (470, 470)
    await client.post(f"/restate/awakeables/{name}/resolve", "done")
    assert await client.result(invocation_id) == "done"
    assert (await client.output(invocation_id)).json() == "done"


async def test_several_attach_to_one_invocation(client: InvocationClient, label: str) -> None:
    invocation_id = await client.send("/Signals/wait_for_awakeable", label)
    [name] = await client.noted(label)
    results: list[Any] = []

    async def attach() -> None:
        results.append(await client.result(invocation_id))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(attach)
        await client.post(f"/restate/awakeables/{name}/resolve", "all")
    assert results == ["all"] * 5


async def test_output_and_attach_of_what_never_was(client: InvocationClient) -> None:
    known = (await client.post("/Basics/greet", "Ada")).headers["x-restate-id"]
    unknown = known[:-4] + ("AAAA" if known[-4:] != "AAAA" else "BBBB")
    assert (await client.output(unknown)).status_code == 404
    assert (await client.attach(unknown)).status_code == 404


async def test_an_idempotent_request_runs_once(client: InvocationClient, label: str, suffix: str) -> None:
    path = f"/Calls{suffix}/append"
    first = await client.post(path, label, idempotency_key=label)
    again = await client.post(path, label, idempotency_key=label)
    assert (first.json(), again.json()) == (1, 1)
    assert first.headers["x-restate-id"] == again.headers["x-restate-id"]
    assert client.notes(label) == ["appended"]


async def test_idempotent_requests_at_once_share_a_result(client: InvocationClient, label: str) -> None:
    answers: list[Any] = []

    async def ask() -> None:
        answers.append(await client.call("/Calls/append", label, idempotency_key=label))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask)
    assert answers == [1] * 20
    assert client.notes(label) == ["appended"]


async def test_an_idempotent_failure_is_kept(client: InvocationClient, label: str) -> None:
    failure = {"code": 422, "message": "no"}
    first = await client.post("/Basics/refuse", failure, idempotency_key=label)
    again = await client.post("/Basics/refuse", {"code": 400, "message": "other"}, idempotency_key=label)
    assert first.status_code == again.status_code == 422


async def test_a_second_idempotent_send_is_told_of_the_first(client: InvocationClient, label: str) -> None:
    first = await client.post("/Calls/append/send", label, idempotency_key=label)
    again = await client.post("/Calls/append/send", label, idempotency_key=label)
    assert first.json()["status"] == "Accepted"
    assert again.json() == {"invocationId": first.json()["invocationId"], "status": "PreviouslyAccepted"}
    assert again.status_code == 202


async def test_the_same_key_on_another_handler_is_another_request(
    client: InvocationClient, label: str
) -> None:
    await client.call("/Calls/append", label, idempotency_key=label)
    assert await client.call("/Basics/greet", "Ada", idempotency_key=label) == "hello Ada"
    await client.call(f"/Eager/{label}/increment", idempotency_key=label)
    assert await client.call(f"/Eager/{label}-2/increment", idempotency_key=label) == 1
    assert await client.call(f"/Eager/{label}/increment", idempotency_key=label) == 1


async def test_attach_and_output_by_idempotency_key(client: InvocationClient, label: str) -> None:
    await client.send("/Calls/append", label, idempotency_key=label)
    where = f"/restate/invocation/Calls/append/{label}"
    assert (await client.ingress.get(f"{where}/attach")).json() == 1
    assert (await client.ingress.get(f"{where}/output")).json() == 1
    unknown = await client.ingress.get(f"{where}-unknown/output")
    assert unknown.status_code == 404


async def test_attach_by_idempotency_key_of_an_object(client: InvocationClient, label: str) -> None:
    await client.send(f"/Eager/{label}/increment", idempotency_key=label)
    where = f"/restate/invocation/Eager/{label}/increment/{label}"
    assert (await client.ingress.get(f"{where}/attach")).json() == 1


async def test_a_browser_may_ask_from_elsewhere(client: InvocationClient) -> None:
    origin = {"origin": "http://localhost:3000"}
    asked = await client.ingress.options(
        "/Basics/greet", headers=origin | {"access-control-request-method": "POST"}
    )
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == "http://localhost:3000"
    answer = await client.ingress.post("/Basics/greet", json="Ada", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
