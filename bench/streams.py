"""Streams of the embedded engine: events/s through the store, from publish to reader, readers' memory."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyqwest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

from embedded_engine import EmbeddedEngine  # noqa: E402
from engines import running  # noqa: E402
from waiting_load import load_line, memory_bytes  # noqa: E402

STREAMS, READERS_EACH = 100, 5
MIB = 2**20
SETTLE_S = 5.0
SERVICE = str(HERE / "stream_service.py")
HEADERS = {"content-type": "application/json"}


class Load:
    """Calls and readers of one engine."""

    def __init__(self, engine: EmbeddedEngine) -> None:
        self.engine = engine
        self._client = pyqwest.Client(pyqwest.HTTPTransport(timeout=600, enable_otel=False))

    async def speak(self, words: int, *, batch: int = 1, pause_ms: int = 0, size: int = 8) -> float:
        """Seconds that one call's publishing took."""
        asked = json.dumps({"words": words, "batch": batch, "pause_ms": pause_ms, "bytes": size})
        url = f"{self.engine.ingress_url}/Speaker/speak"
        answer = await self._client.post(url, headers=HEADERS, content=asked.encode())
        return float(answer.json())

    async def send(self, delay: str = "", **asked: int) -> str:
        """The path of the stream of a call that runs by itself."""
        url = f"{self.engine.ingress_url}/Speaker/speak/send" + (f"?delay={delay}" if delay else "")
        answer = await self._client.post(url, headers=HEADERS, content=json.dumps(asked).encode())
        return f"/restate/invocation/{answer.json()['invocationId']}/stream"

    async def delays_ms(self, path: str) -> list[float]:
        """Read a stream to its end: how long each event was on its way."""
        where = urlsplit(self.engine.ingress_url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        found: list[float] = []
        async for line in reader:
            now_ns = time.monotonic_ns()  # one clock for all processes of a machine
            if line.startswith(b"data: ") and b"published_ns" in line:
                found.append((now_ns - json.loads(line[6:])["published_ns"]) / 1e6)
        writer.close()
        return found

    def stall(self, path: str) -> socket.socket:
        """Ask for a stream and never read it."""
        where = urlsplit(self.engine.ingress_url)
        connection = socket.create_connection((where.hostname, where.port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        return connection


async def through_the_store(load: Load) -> None:
    """How many events a second come to be on disk."""
    await load.speak(200)
    alone_s = await load.speak(2000)
    rate, each_us = 2000 / alone_s, alone_s / 2000 * 1e6
    print(f"1 stream, one by one:                    {rate:8,.0f} events/s ({each_us:,.0f} us each)")
    for batch, words in ((1, 100), (20, 2000)):
        begin = time.perf_counter()
        await asyncio.gather(*(load.speak(words, batch=batch) for _ in range(STREAMS)))
        rate = STREAMS * words / (time.perf_counter() - begin)
        print(f"{STREAMS} streams at once, batches of {batch:2}:       {rate:8,.0f} events/s")


async def to_the_reader(load: Load, pause_ms: int) -> None:
    """500 readers of 100 streams, each of which publishes a word now and then."""
    asked: dict[str, Any] = {"words": 30, "batch": 1, "pause_ms": pause_ms, "bytes": 8}
    paths = await asyncio.gather(*(load.send("2s", **asked) for _ in range(STREAMS)))
    readings = await asyncio.gather(*(load.delays_ms(path) for path in paths for _ in range(READERS_EACH)))
    assert all(len(reading) == asked["words"] for reading in readings), "a reader missed an event"
    delays = sorted(delay for reading in readings for delay in reading)
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    rate = len(delays) / (asked["words"] * pause_ms / 1000)
    print(
        f"publish to reader, {len(readings)} on {STREAMS} streams: p50 {p50:.1f} ms, p99 {p99:.1f} ms "
        f"(about {rate:,.0f} deliveries/s)"
    )


async def waiting(load: Load) -> None:
    """What readers cost that wait."""
    path = await load.send("1h", words=1, batch=1, pause_ms=0, bytes=8)
    await _cost(load, path, STREAMS * READERS_EACH, "a reader that waits:")


async def stopped(load: Load) -> None:
    """What readers cost that have stopped reading."""
    words, size = 20_000, 500
    for _ in range(4):  # SQLite's cache, full of them, is not the readers' to pay
        await load.speak(words, batch=200, size=size)
    path = await load.send(words=words, batch=200, pause_ms=0, bytes=size)
    await _cost(load, path, STREAMS, f"one that stopped, of {words * size / MIB:.0f} MiB to read:")


async def _cost(load: Load, path: str, count: int, what: str) -> None:
    connections = [load.stall(path) for _ in range(20)]  # what is loaded on first use is not theirs to pay
    await asyncio.sleep(SETTLE_S)
    before = memory_bytes(load.engine)
    connections += [load.stall(path) for _ in range(count)]
    await asyncio.sleep(SETTLE_S)
    cost = (memory_bytes(load.engine) - before) / count / 1024
    print(f"{what:40} {cost:8,.0f} KiB")
    for connection in connections:
        connection.close()


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--disk", type=Path, default=HERE.parent / "build", help="a directory on the disk")
    parser.add_argument("--pause-ms", type=int, default=250, help="between two words of a stream")
    options = parser.parse_args()
    # On an engine each: what the readers before have freed would pay for the next ones.
    for measure in (through_the_store, partial(to_the_reader, pause_ms=options.pause_ms), waiting, stopped):
        with tempfile.TemporaryDirectory(dir=options.disk) as directory:
            async with running(EmbeddedEngine(SERVICE, Path(directory))) as engine:
                await measure(Load(engine))
    print(load_line())
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
