"""Readers that stop reading hold up nobody, and what they do not read is not kept in memory for them."""

from __future__ import annotations

import asyncio
import gc
import socket
import tracemalloc
from urllib.parse import urlsplit

import pytest
from publishing_service import Publisher

pytestmark = pytest.mark.anyio

READERS = 4
BATCHES, WORDS_EACH, WORD = 100, 200, "x" * 500
"""20,000 events, more than 10 MB: several times what the kernel keeps for a connection."""
BYTES_EACH_MAX = 500_000


def connect(url: str, path: str) -> socket.socket:
    """Ask for a stream, and read nothing."""
    where = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((where.hostname, where.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    connection.setblocking(False)
    return connection


async def read_until(connection: socket.socket, enough: bytes = b"") -> list[int]:
    """The ids of the events that come, until one of them holds `enough`, or to the end."""
    ids: list[int] = []
    loop, rest = asyncio.get_running_loop(), b""
    while data := await loop.sock_recv(connection, 4096):
        *lines, rest = (rest + data).split(b"\n")
        ids += [int(line.removeprefix(b"id: ")) for line in lines if line.startswith(b"id: ")]
        if enough and enough in data:
            break
    return ids


async def test_memory_stays_flat_and_the_run_goes_on_while_readers_do_not_read(start_engine) -> None:
    publisher = Publisher()
    async with start_engine(*publisher.services) as engine:
        invocation_id = await engine.send("Publisher/run")
        run = await publisher.runs.get()
        path = f"/restate/invocation/{invocation_id}/stream"
        await run.publish(WORD)
        gc.collect()
        tracemalloc.start()
        try:
            stalled = [connect(engine.server.ingress_url, path) for _ in range(READERS)]
            for _ in range(BATCHES):
                await run.publish(*[WORD] * WORDS_EACH)
                await asyncio.sleep(0)  # readers have their turn
            late = [connect(engine.server.ingress_url, path) for _ in range(READERS)]
            for reader in late:
                assert 0 in await read_until(reader, b"id: 0\n")
            gc.collect()
            kept, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        allowed = 2 * READERS * BYTES_EACH_MAX
        assert peak < allowed, f"{kept:,} bytes, and {peak:,} for a while, for {2 * READERS} readers"

        # One of them reads on, and has missed nothing; the others leave.
        run.finish()
        assert (await engine.attach(invocation_id)).status_code == 200
        assert await read_until(stalled[0]) == list(range(1 + BATCHES * WORDS_EACH + 1))
        for reader in (*stalled, *late):
            reader.close()


async def test_they_do_not_hold_up_the_engines_end(start_engine, capfd: pytest.CaptureFixture[str]) -> None:
    publisher = Publisher()
    async with start_engine(*publisher.services) as engine:
        invocation_id = await engine.send("Publisher/run")
        run = await publisher.runs.get()
        for _ in range(BATCHES):
            await run.publish(*[WORD] * WORDS_EACH)
        reader = connect(engine.server.ingress_url, f"/restate/invocation/{invocation_id}/stream")
        assert 0 in await read_until(reader, b"id: 0\n")
        began_at = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began_at < 5
    assert capfd.readouterr().err == ""  # uvicorn's log does not propagate
    reader.close()


async def test_one_whose_invocation_is_purged_meanwhile_is_cut(start_engine) -> None:
    publisher = Publisher()
    async with start_engine(*publisher.services) as engine:
        invocation_id = await engine.send("Publisher/run")
        run = await publisher.runs.get()
        for _ in range(BATCHES):
            await run.publish(*[WORD] * WORDS_EACH)
        path = f"/restate/invocation/{invocation_id}/stream"
        reader = connect(engine.server.ingress_url, path)
        ids = await read_until(reader, b"id: 0\n")
        run.finish()
        await engine.attach(invocation_id)
        assert (await engine.admin.patch(f"/invocations/{invocation_id}/purge")).status_code == 200

        # It reads what was on its way to it, and then the answer ends, without an `end`.
        ids += await read_until(reader)
        assert ids == list(range(len(ids)))
        assert len(ids) < BATCHES * WORDS_EACH
        assert (await engine.ingress.get(path, headers={"last-event-id": str(ids[-1])})).status_code == 404
        reader.close()
