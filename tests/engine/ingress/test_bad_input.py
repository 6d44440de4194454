"""What a client does wrong gets a JSON error with the right status, and the engine goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import restate

pytestmark = pytest.mark.anyio

greeter = restate.Service("Greeter")


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


@greeter.handler()
async def ping(ctx: restate.Context) -> str:
    return "pong"


@greeter.handler(ingress_private=True)
async def secret(ctx: restate.Context, name: str) -> str:
    return name


@pytest.fixture
async def engine(start_engine) -> AsyncIterator[object]:
    async with start_engine(greeter, request_bytes_max=1_000_000) as engine:
        yield engine
        # Whatever the test did, the engine still answers.
        assert (await engine.call("Greeter/greet", "Ada")).json() == "Hello Ada"


@pytest.mark.parametrize(
    ("path", "content", "status", "says"),
    [
        pytest.param("/Greeter/greet", b'{"', 400, "not JSON", id="invalid JSON"),
        pytest.param("/Greeter/greet", b"\xff\xfe", 400, "not JSON", id="not even text"),
        pytest.param("/Greeter/greet", b"5", 400, "5 is not of type 'string'", id="wrong type"),
        pytest.param("/Greeter/greet", b"", 400, "empty body", id="empty body"),
        pytest.param("/Greeter/greet", b"[" * 100_000, 400, "not JSON", id="nested too deep"),
        pytest.param("/Greeter/ping", b'"x"', 400, "takes no input", id="input where none is taken"),
        pytest.param("/Nobody/greet", b'"x"', 404, "service 'Nobody' not found", id="unknown service"),
        pytest.param("/Greeter/nothing", b'"x"', 404, "no handler 'nothing'", id="unknown handler"),
        pytest.param("/Greeter/secret", b'"x"', 400, "private", id="private handler"),
        pytest.param("/Greeter", b'"x"', 400, "write /service/handler", id="no handler named"),
        pytest.param("/Greeter/greet/now", b'"x"', 400, "but /send may follow", id="a word too many"),
        pytest.param("/Greeter/greet/send?delay=", b'"x"', 400, "bad delay ''", id="no delay in delay"),
        pytest.param("/Greeter/greet?limit-key=a", b'"x"', 400, "needs a scope", id="limit key"),
        pytest.param("/restate/scope/a/call/Greeter/greet", b'"x"', 400, "not supported", id="scope"),
        pytest.param("/restate/awakeables/x", b'"x"', 400, "/resolve or", id="awakeable without a verb"),
        pytest.param("/restate/nothing", b'"x"', 404, "not found", id="no such verb"),
        pytest.param("/restate/lookup", b"{}", 400, "'target'", id="lookup of nothing"),
        pytest.param("/Greeter/greet/send?delay=soon", b'"x"', 400, "bad delay 'soon'", id="bad delay"),
        pytest.param("/Greeter/greet?delay=1s", b'"x"', 400, "use /send", id="delayed call"),
        pytest.param("/Greeter/greet", b'"' + b"x" * 1_000_000 + b'"', 413, "larger than", id="too large"),
    ],
)
async def test_a_wrong_request_is_told_what_is_wrong(engine, path, content, status, says) -> None:
    answer = await engine.ingress.post(path, content=content, headers={"content-type": "application/json"})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json()["code"], answer.json()["source"]) == (status, "ingress")
    assert answer.headers["x-restate-error-source"] == "ingress"
    assert says in answer.json()["message"]


async def test_a_large_body_in_chunks_is_refused_before_it_has_all_arrived(engine) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 1_000_000

    answer = await engine.ingress.post("/Greeter/greet", content=endless())

    assert answer.status_code == 413


async def test_another_content_type_is_refused(engine) -> None:
    answer = await engine.ingress.post(
        "/Greeter/greet", content=b"<x/>", headers={"content-type": "text/xml"}
    )

    assert answer.status_code == 400
    assert "takes application/json, not text/xml" in answer.json()["message"]


async def test_a_body_without_a_content_type_is_refused(engine) -> None:
    """As on restate-server: what works here must work there."""
    answer = await engine.ingress.post("/Greeter/greet", content=b'"Ada"')

    assert answer.status_code == 400
    assert "no content-type" in answer.json()["message"]


@pytest.mark.parametrize("verb", ["attach", "output"])
async def test_results_of_unknown_invocations(engine, verb) -> None:
    unknown = "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz"

    answer = await engine.ingress.get(f"/restate/invocation/{unknown}/{verb}")
    assert (answer.status_code, answer.json()["code"]) == (404, 404)

    answer = await engine.ingress.get(f"/restate/invocation/nonsense/{verb}")
    assert answer.status_code == 400
    assert "bad invocation id 'nonsense'" in answer.json()["message"]


async def test_an_awakeable_id_that_is_none(engine) -> None:
    answer = await engine.ingress.post("/restate/awakeables/sign_1xyz/resolve", json="x")

    assert answer.status_code == 400
    assert "bad awakeable id 'sign_1xyz'" in answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/Greeter/greet"),
        ("DELETE", "/Greeter/greet"),
        ("PATCH", "/Greeter/greet"),
        ("HEAD", "/Greeter/ping"),
        ("POST", "/restate/health"),
        ("GET", "/restate/lookup"),
        ("GET", "/restate/awakeables/sign_1xyz/resolve"),
    ],
)
async def test_a_method_that_a_path_does_not_take(engine, method, path) -> None:
    answer = await engine.ingress.request(method, path)

    assert answer.status_code == 405


async def test_a_body_of_20_mb_is_too_large_by_default(start_engine) -> None:
    async with start_engine(greeter) as engine:
        answer = await engine.ingress.post("/Greeter/greet", content=b'"' + b"x" * 20_000_000 + b'"')

    assert (answer.status_code, answer.json()["code"]) == (413, 413)
