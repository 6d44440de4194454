"""Plain handlers: values in and out, failures and what follows them, private ones, randomness."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest
from invocation_client import InvocationClient, until
from served_engine import Served

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


async def test_a_handler_answers(client: InvocationClient) -> None:
    response = await client.post("/Basics/greet", "Ada")
    assert (response.status_code, response.json()) == (200, "hello Ada")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-restate-id"].startswith("inv_1")


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1.5, "", "ünïcödé ✓ 🚀 \u0000", [], {}, {"a": [1, {"b": None}]}, 2**53],
    ids=repr,
)
async def test_any_json_value_comes_back_as_it_was(client: InvocationClient, value: Any) -> None:
    assert await client.call("/Basics/echo", value) == value


async def test_a_handler_without_input_and_output(client: InvocationClient) -> None:
    response = await client.post("/Basics/nothing")
    assert (response.status_code, response.content) == (200, b"")


async def test_raw_bytes_go_in_and_out_unchanged(client: InvocationClient) -> None:
    body = bytes(range(256)) * 4
    response = await client.ingress.post(
        "/Basics/raw", content=body, headers={"content-type": "application/octet-stream"}
    )
    assert response.content == body
    assert response.headers["content-type"] == "application/octet-stream"


async def test_an_empty_raw_body(client: InvocationClient) -> None:
    response = await client.ingress.post("/Basics/raw")
    assert (response.status_code, response.content) == (200, b"")


async def test_the_answer_has_the_handlers_content_type(client: InvocationClient) -> None:
    response = await client.ingress.post(
        "/Basics/markdown", content="Tïtle", headers={"content-type": "text/plain; charset=utf-8"}
    )
    assert response.content.decode() == "# Tïtle"
    assert response.headers["content-type"] == "text/markdown"


@pytest.mark.parametrize("size", [1_000, 100_000, 3_000_000])
async def test_large_values_go_in_and_out(client: InvocationClient, size: int) -> None:
    text = "x" * size
    assert await client.call("/Basics/echo", text) == text
    assert await client.call("/Basics/letters", size) == text


async def test_the_handler_sees_its_request(client: InvocationClient) -> None:
    response = await client.ingress.post("/Basics/request", headers={"x-tenant": "acme", "X-Trace": "7"})
    said = response.json()
    assert said["id"] == response.headers["x-restate-id"]
    assert (said["headers"]["x-tenant"], said["headers"]["x-trace"]) == ("acme", "7")
    assert said["body"] == ""


async def test_headers_of_the_connection_are_not_passed_on(client: InvocationClient) -> None:
    said = await client.call("/Basics/request")
    assert not {"host", "connection"} & said["headers"].keys()


@pytest.mark.parametrize("code", [400, 404, 409, 422, 500, 503, 599])
async def test_a_terminal_error_is_the_answer(client: InvocationClient, code: int) -> None:
    response = await client.post("/Basics/refuse", {"code": code, "message": "no ✓"})
    assert response.status_code == code
    assert (response.json()["code"], response.json()["message"]) == (code, "no ✓")
    assert response.headers["x-restate-id"].startswith("inv_1")


@pytest.mark.parametrize("code", [200, 302, 700])
async def test_a_failure_whose_code_is_no_error_status(
    client: InvocationClient, served: Served, code: int
) -> None:
    """Ours differs, on purpose: a failure must not look like a success to the client."""
    response = await client.post("/Basics/refuse", {"code": code, "message": "odd"})
    assert response.status_code == (500 if served.name == "embedded" else code)
    assert response.json()["message"] == "odd"


async def test_an_empty_error_message(client: InvocationClient) -> None:
    response = await client.post("/Basics/refuse", {"code": 400, "message": ""})
    assert (response.status_code, response.json()["message"]) == (400, "")


async def test_metadata_of_an_error_reaches_the_client(client: InvocationClient) -> None:
    failure = {"code": 400, "message": "no", "metadata": {"reason": "full", "seat": "12A"}}
    response = await client.post("/Basics/refuse", failure)
    assert response.json()["metadata"] == {"reason": "full", "seat": "12A"}


async def test_a_failing_attempt_is_tried_again(client: InvocationClient, label: str, suffix: str) -> None:
    assert await client.call(f"/Basics{suffix}/fail_twice", label) == 3
    assert client.notes(label) == ["attempt"] * 3


async def test_steps_are_not_repeated_by_another_attempt(
    client: InvocationClient, label: str, suffix: str
) -> None:
    assert await client.call(f"/Basics{suffix}/fail_after_a_step", label) == [1, 3]
    assert client.notes(label).count("step") == 1


async def test_attempts_run_out_and_the_invocation_fails(client: InvocationClient, label: str) -> None:
    response = await client.post("/Basics/fail_until_killed", label)
    assert response.status_code == 500
    assert "for good" in response.json()["message"]
    assert client.notes(label) == ["attempt"] * 3


async def test_attempts_run_out_and_the_invocation_waits_for_a_person(
    client: InvocationClient, label: str
) -> None:
    invocation_id = await client.send("/Basics/fail_until_mended", label)
    await client.until_status(invocation_id, "paused")
    assert "the database is down" in await client.last_failure(invocation_id)
    assert client.notes(label) == ["attempt"] * 2
    client.write_note(f"{label}-mended")
    assert (await client.act("resume", invocation_id)).is_success
    assert await client.result(invocation_id) == "mended"


async def test_an_attempt_may_say_when_the_next_one_is(client: InvocationClient, label: str) -> None:
    assert await client.call("/Basics/fail_with_a_delay", label) >= 0.3
    assert len(client.notes(label)) == 2


async def test_a_journal_mismatch_is_shown_and_mended_by_other_code(
    client: InvocationClient, label: str, suffix: str
) -> None:
    invocation_id = await client.send(f"/Basics{suffix}/change_course", label)

    async def mismatch_shown() -> bool:
        return "570" in await client.last_failure(invocation_id)

    await until(mismatch_shown)
    client.write_note(f"{label}-mended")
    assert await client.result(invocation_id) == "1"


async def test_random_numbers_ids_and_times_are_the_same_on_each_attempt(
    client: InvocationClient, label: str, suffix: str
) -> None:
    drawn = await client.call(f"/Basics{suffix}/same_randomness", label)
    assert len(client.notes(label)) == 3
    assert set(client.notes(label)) == {str(drawn)}
    assert abs(time.time() - drawn[3]) < 30


async def test_two_invocations_draw_different_numbers(client: InvocationClient, label: str) -> None:
    first = await client.call("/Basics/same_randomness", label)
    second = await client.call("/Basics/same_randomness", f"{label}-2")
    assert first[:3] != second[:3]


async def test_a_private_handler_is_called_by_handlers_only(client: InvocationClient) -> None:
    refused = await client.post("/Basics/secret")
    assert refused.status_code == 400
    assert await client.call("/Basics/tell_secret") == "for handlers only"


async def test_a_private_service_is_refused_at_the_door(client: InvocationClient) -> None:
    assert (await client.post("/Hidden/peek")).status_code == 400
    assert (await client.post("/Hidden/peek/send")).status_code == 400


async def test_a_hundred_calls_at_once(client: InvocationClient, suffix: str) -> None:
    answers: dict[int, Any] = {}

    async def ask(n: int) -> None:
        answers[n] = await client.call(f"/Basics{suffix}/greet", str(n))

    async with anyio.create_task_group() as group:
        for n in range(100):
            group.start_soon(ask, n)
    assert answers == {n: f"hello {n}" for n in range(100)}
