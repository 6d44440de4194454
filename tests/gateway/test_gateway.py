"""`perdure gateway` as its operator and its clients see it, in front of a real restate-server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx2
import pytest
from child_process import PERDURE
from engines import running
from free_port import free_port
from restate_server import RestateServer
from sse import Received, read_all, reading
from streaming_engine import StreamingEngine

from perdure.client import Client

SERVICE = str(Path(__file__).parents[1] / "contract" / "talking_service.py")
WORDS = [f"w{n} " for n in range(8)]

pytestmark = [pytest.mark.anyio, pytest.mark.restate, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StreamingEngine]:
    async with running(
        StreamingEngine("restate-server", SERVICE, tmp_path_factory.mktemp("gateway"))
    ) as engine:
        yield engine


@pytest.fixture
async def client(engine: StreamingEngine) -> AsyncIterator[httpx2.AsyncClient]:
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=engine.url, timeout=30, limits=limits) as client:
        yield client


async def send(client: httpx2.AsyncClient, label: str) -> str:
    sent = await client.post("/Talk/say/send", json={"label": label, "words": WORDS})
    return f"/restate/invocation/{sent.json()['invocationId']}/stream"


def hold(engine: StreamingEngine, n: int) -> tuple[str, Path]:
    """A label, and the file that holds its model up behind word `n`."""
    label = uuid.uuid4().hex
    path = engine.holds / f"{label}.{n}"
    path.touch()
    return label, path


def words(events: list[Received]) -> str:
    return "".join(event.data["delta"] for event in events if event.type == "text")


async def test_many_readers_of_one_stream_see_the_same(
    engine: StreamingEngine, client: httpx2.AsyncClient
) -> None:
    label, held = hold(engine, 3)
    path = await send(client, label)
    seen: list[list[Received]] = []

    async def read(start: int) -> None:
        seen.append(await read_all(client, path, from_=start))

    async with anyio.create_task_group() as readers:
        async with reading(client, path) as events:
            for _ in range(4):
                await anext(events)
        for n in range(60):
            readers.start_soon(read, n % 4)
        held.unlink()
    whole = max(seen, key=len)
    assert words(whole) == "".join(WORDS)
    assert all(events == whole[events[0].id :] for events in seen)


async def test_the_gateway_is_killed_while_a_stream_is_read(
    engine: StreamingEngine, client: httpx2.AsyncClient
) -> None:
    """What is published meanwhile waits at the server, and the agent goes on."""
    assert engine.gateway is not None
    label, held = hold(engine, 3)
    path = await send(client, label)
    seen: list[Received] = []
    async with reading(client, path) as events:
        while words(seen) != "".join(WORDS[:4]):
            seen.append(await anext(events))
        engine.gateway.kill()
        held.unlink()
        with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
            await anext(events)
    await engine.gateway.start()
    seen += await read_all(client, path, last_id=seen[-1].id)
    assert [event.id for event in seen] == list(range(len(seen)))
    assert words(seen) == "".join(WORDS)
    assert seen[-1].data["output"] == "".join(WORDS)


async def test_the_typed_client_reads_through_the_death_of_the_gateway(engine: StreamingEngine) -> None:
    assert engine.gateway is not None
    label, held = hold(engine, 3)
    async with Client(engine.url) as client:
        sent = await client.send("Talk/say", {"label": label, "words": WORDS})
        deltas: list[str] = []
        async for event in client.stream(sent):
            if event.type == "text":
                deltas.append(event.data["delta"])
            if len(deltas) == 4 and held.exists():
                engine.gateway.kill()
                await engine.gateway.start()
                held.unlink()
        assert deltas == WORDS
        assert await client.attach(sent) == await client.text(sent) == "".join(WORDS)


async def test_pages_get_their_module_from_the_gateway(client: httpx2.AsyncClient) -> None:
    module = await client.get("/restate/client.js")
    assert module.status_code == 200
    assert module.headers["content-type"].startswith("text/javascript")
    assert "export" in module.text


async def test_the_server_is_killed_while_a_stream_is_read(
    engine: StreamingEngine, client: httpx2.AsyncClient
) -> None:
    """The reader stays connected to the gateway, and reads on when the server is back."""
    label, held = hold(engine, 3)
    path = await send(client, label)
    seen: list[Received] = []
    async with reading(client, path) as events:
        while words(seen) != "".join(WORDS[:4]):
            seen.append(await anext(events))
        engine.engine.kill()
        refused = await client.get(path)
        assert refused.status_code == 503
        assert refused.json()["message"].startswith("restate-server does not answer at http://127.0.0.1:")
        assert (await client.get("/restate/health")).status_code == 503
        await engine.engine.start()
        held.unlink()
        seen += [event async for event in events]
    assert [event.id for event in seen] == list(range(len(seen)))
    assert seen[-1].data["output"] == "".join(WORDS)


async def test_who_reads_when_an_invocation_that_is_not_retained_ends_gets_its_end(
    engine: StreamingEngine, client: httpx2.AsyncClient
) -> None:
    label, held = hold(engine, 1)
    sent = await client.post("/Talk/say_and_forget/send", json={"label": label, "words": WORDS})
    path = f"/restate/invocation/{sent.json()['invocationId']}/stream"
    async with reading(client, path) as events:
        seen = [await anext(events)]
        held.unlink()
        seen += [event async for event in events]
    assert words(seen) == "".join(WORDS)
    assert seen[-1].data["output"] == "".join(WORDS)
    assert (await client.get(path)).status_code == 404


async def test_a_body_is_passed_on_as_it_comes(client: httpx2.AsyncClient) -> None:
    """In pieces, and with its headers: restate-server answers, not we."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"label": "x",'
        await asyncio.sleep(0.05)
        yield b'"words": ["a", "b"]}'

    headers = {"content-type": "application/json", "origin": "http://page.test"}
    answer = await client.post("/Talk/say", content=pieces(), headers=headers)
    assert (answer.status_code, answer.json()) == (200, "ab")
    assert answer.headers["access-control-allow-origin"] == "http://page.test"
    unknown = await client.post("/Nobody/at%2Fhome?x=%20y")
    assert (unknown.status_code, unknown.json()["source"]) == (404, "ingress")


async def test_a_client_that_leaves_lets_go_of_the_server(
    engine: StreamingEngine, client: httpx2.AsyncClient
) -> None:
    label, held = hold(engine, 0)
    with pytest.raises(httpx2.ReadTimeout):
        await client.post("/Talk/say", json={"label": label, "words": WORDS}, timeout=0.3)
    held.unlink()
    assert (await client.get("/restate/health")).status_code == 200


# ---- what its operator may get wrong


async def refused(*arguments: str) -> tuple[int, str]:
    """Exit code and output of a gateway that does not start."""
    done = await anyio.run_process([PERDURE, "gateway", *arguments], check=False)
    return done.returncode, done.stderr.decode()


async def test_no_server_there() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, told = await refused("--restate", url, "--bind", "127.0.0.1:0", "--object-bind", "127.0.0.1:0")
    assert code == 3
    assert told.startswith(f"perdure: restate-server does not answer at {url} (")
    assert told.endswith("): is --restate right?\n")
    assert told.count("\n") == 1


async def test_no_admin_api_there(engine: StreamingEngine) -> None:
    admin = f"http://127.0.0.1:{free_port()}"
    free = ("--bind", "127.0.0.1:0", "--object-bind", "127.0.0.1:0")
    code, told = await refused("--restate", engine.engine.ingress_url, "--restate-admin", admin, *free)
    assert code == 3
    assert told == f"perdure: cannot reach restate-server's admin API at {admin}: is --restate-admin right?\n"


async def test_the_server_cannot_reach_the_object(engine: StreamingEngine) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    urls = ("--restate", engine.engine.ingress_url, "--restate-admin", engine.admin_url)
    free = ("--bind", "127.0.0.1:0", "--object-bind", "127.0.0.1:0", "--object-url", nowhere)
    code, told = await refused(*urls, *free)
    assert code == 2
    assert f"cannot use {nowhere}" in told
    assert told.endswith("--object-url says where it reaches this process\n")
    assert told.count("\n") == 1


@pytest.mark.parametrize("option", ["--bind", "--object-bind"])
async def test_a_port_in_use(engine: StreamingEngine, option: str) -> None:
    taken = engine.engine.ingress_url.removeprefix("http://")
    ports = {"--bind": "127.0.0.1:0", "--object-bind": "127.0.0.1:0", option: taken}
    code, told = await refused(
        "--restate", engine.engine.ingress_url, *[x for pair in ports.items() for x in pair]
    )
    assert code == 2
    assert told == f"perdure: {taken} is in use by another program: choose another with {option}\n"


async def test_it_registers_itself_again_as_the_same_deployment(engine: StreamingEngine) -> None:
    assert engine.gateway is not None
    assert isinstance(engine.engine, RestateServer)
    where = f"SELECT id FROM sys_deployment WHERE endpoint LIKE '%{engine.gateway.object_address}%'"
    before = await engine.engine.query(where)
    engine.gateway.kill()
    await engine.gateway.start()
    assert len(before) == 1
    assert await engine.engine.query(where) == before
