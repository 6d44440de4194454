"""What the admin API tells of an engine, and how it says no."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from free_port import free_port
from inspected_office import Office
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from perdure.engine.runtime.options import EngineOptions
from perdure.engine.server import EngineServer
from perdure.errors import CommandError, EngineUnreachable, RequestError
from perdure.inspection.admin_api import AdminApi

pytestmark = pytest.mark.anyio


async def test_services_and_their_handlers(office: Office) -> None:
    services = await office.api.services()
    assert [(each.name, each.kind) for each in services] == [
        ("Account", "virtual_object"),
        ("Clerk", "service"),
        ("Errand", "workflow"),
    ]
    clerk = await office.api.service("Clerk")
    assert clerk == services[1]
    greet, run = clerk.handler("greet"), services[2].handler("run")
    assert greet is not None
    assert run is not None
    assert (greet.kind, greet.documentation, greet.public) == (
        None,
        "A run, a sleep, a call and a send.",
        True,
    )
    assert (greet.input_schema, greet.output_schema) == ({"type": "string"}, {"type": "string"})
    assert run.kind == "workflow"
    assert clerk.handler("nobody") is None
    (deployment,) = await office.api.deployments()
    assert deployment.id == clerk.deployment_id
    assert deployment.services == {"Account": 1, "Clerk": 1, "Errand": 1}
    assert deployment.sdk is not None
    assert deployment.sdk.startswith("restate-sdk-python/")
    document = await office.api.openapi("Clerk")
    assert any(path.endswith("/Clerk/greet") for path in document["paths"])


async def test_an_engine_that_was_away_may_come_back_as_another_one(tmp_path: Path) -> None:
    admin = f"127.0.0.1:{free_port()}"

    def engine(name: str) -> EngineServer:
        return EngineServer(EngineOptions(tmp_path / name, ingress=f"127.0.0.1:{free_port()}", admin=admin))

    async with AdminApi(admin) as api:
        async with engine("a") as first:
            assert (await api.about()).ingress_url == first.ingress_url
        with pytest.raises(EngineUnreachable):
            await api.services()
        async with engine("b") as second:
            assert (await api.about()).ingress_url == second.ingress_url != first.ingress_url


async def test_what_is_not_there_is_the_engines_own_word(office: Office) -> None:
    with pytest.raises(RequestError, match="Nobody") as refused:
        await office.api.service("Nobody")
    assert refused.value.status == 404
    with pytest.raises(RequestError) as refused:
        await office.api.query("SELECT nothing FROM nowhere")
    assert refused.value.status in (400, 500)


async def test_rows_of_a_query(office: Office) -> None:
    told = await office.api.query("SELECT 1 AS one, 'x' AS two, 3.5 AS three")
    assert (told.columns, told.rows) == (["one", "two", "three"], [{"one": 1, "two": "x", "three": 3.5}])
    if office.name == "embedded":  # the other engine leaves out what is null, in every row
        nothing = await office.api.query("SELECT id, caller_of FROM (SELECT 1 AS id, NULL AS caller_of)")
        assert (nothing.columns, nothing.rows) == (["id", "caller_of"], [{"id": 1}])
        assert (await office.api.query("SELECT 1 AS one WHERE false")).columns == ["one"]


@asynccontextmanager
async def answering(answer: Callable[[], Response]) -> AsyncIterator[AdminApi]:
    """Something that answers everything in one way."""

    async def handle(request: object) -> Response:
        return answer()

    app = Starlette(routes=[Route("/{path:path}", handle, methods=["GET", "POST"])])
    async with AdminApi.of_app(app) as api:
        yield api


@pytest.mark.parametrize(
    "answer",
    [
        lambda: PlainTextResponse("<html>a web server</html>"),
        lambda: PlainTextResponse("Not Found", 404),
        lambda: JSONResponse({"message": "Not Found"}, 404),
        lambda: JSONResponse(["a list"]),
        lambda: JSONResponse({"other": 1}),
        lambda: PlainTextResponse("oh dear", 500),
        lambda: Response(b"\xff\xfe", 502),
    ],
)
async def test_what_is_no_engine_is_told_apart(answer: Callable[[], Response]) -> None:
    async with answering(answer) as api:
        with pytest.raises(EngineUnreachable, match="is not an engine's admin API"):
            await api.services()


async def test_a_refusal_keeps_its_status_words_and_code() -> None:
    refusal = {"message": "breaking", "restate_code": "META0006"}
    async with answering(lambda: JSONResponse(refusal, 409)) as api:
        with pytest.raises(RequestError, match="breaking") as refused:
            await api.services()
    assert (refused.value.status, refused.value.restate_code) == (409, "META0006")
    async with answering(lambda: PlainTextResponse("length limit exceeded", 413)) as api:
        with pytest.raises(RequestError, match="length limit exceeded") as refused:
            await api.write_state("Account", "ada", {"balance": b"1"})
    assert refused.value.status == 413


async def test_nothing_listens() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with AdminApi(address) as api:
        with pytest.raises(EngineUnreachable, match=address):
            await api.about()


@pytest.mark.parametrize("address", ["", "nowhere:0", "ftp://x", "http://", "host:port", "[::1"])
async def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(CommandError, match="write host:port or a URL"):
        AdminApi(address)
