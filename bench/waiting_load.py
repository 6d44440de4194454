"""What the benchmarks of waiting and recovering share: sends in bulk, a crowd that is waited for, memory."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyqwest
from engines import Engine

SERVICE = str(Path(__file__).with_name("waiting_service.py"))
SENDERS = 50
JSON = {"content-type": "application/json"}


async def send(engine: Engine, handler: str, count: int, body: object = None) -> list[str]:
    """Send `count` invocations of `Waits/{handler}`, SENDERS at a time; their ids."""
    client = pyqwest.Client(pyqwest.HTTPTransport(timeout=600, enable_otel=False))
    content, headers = (b"", {}) if body is None else (json.dumps(body).encode(), JSON)
    ids: list[str] = []
    left = iter(range(count))

    async def sender() -> None:
        for _ in left:
            url = f"{engine.ingress_url}/Waits/{handler}/send"
            answer = await client.post(url, headers=headers, content=content)
            if answer.status != 202:
                raise RuntimeError(f"{url}: {answer.status} {answer.text()}")
            ids.append(answer.json()["invocationId"])

    await asyncio.gather(*(sender() for _ in range(SENDERS)))
    return ids


async def until(holds: Callable[[], bool], what: str, timeout_s: float = 600, every_s: float = 0.02) -> None:
    """Wait until `holds()`. Raises TimeoutError that says what did not come."""
    try:
        async with asyncio.timeout(timeout_s):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(every_s)
    except TimeoutError:
        raise TimeoutError(f"after {timeout_s} s, still not: {what}") from None


def memory_bytes(engine: Engine) -> int:
    """Of the engine and what runs its handlers; the proportional set size, so shared pages count once."""
    groups = {child.pid for child in engine.processes}  # each leads a group
    total = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _group(int(entry.name)) in groups:
            for line in (entry / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def load_line() -> str:
    """How busy the machine is: it belongs under every table."""
    one, five, _ = os.getloadavg()
    return f"{os.cpu_count()} cores, load {one:.1f} (last minute), {five:.1f} (last five)"
