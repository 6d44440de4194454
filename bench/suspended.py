"""What 100,000 suspended invocations cost an embedded engine: memory, disk, time to start again.

They are sent like any others, run up to their first wait, and suspend. Then the engine is killed and started
again, and one of them gets the answer that it waited for.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

import pyqwest  # noqa: E402
from embedded_engine import EmbeddedEngine  # noqa: E402
from engines import running  # noqa: E402
from waiting_load import SERVICE, load_line, memory_bytes, send, until  # noqa: E402

from perdure.protocol.ids import encode_awakeable_id  # noqa: E402

FIRST_AWAKEABLE = 17


def suspended(data_file: Path) -> int:
    """How many there are, as the file has it."""
    with closing(sqlite3.connect(data_file)) as reader:
        query = "SELECT count(*) FROM invocation WHERE status = 'suspended'"
        return int(reader.execute(query).fetchone()[0])


async def seconds_to_start(engine: EmbeddedEngine) -> float:
    """From the start of the process to its first answer."""
    begin = time.perf_counter()
    await engine.start()
    return time.perf_counter() - begin


async def answer_one(engine: EmbeddedEngine, invocation_id: str) -> float:
    """Milliseconds from the answer to the result."""
    client = pyqwest.Client(pyqwest.HTTPTransport(timeout=60, enable_otel=False))
    begin = time.perf_counter()
    awakeable = encode_awakeable_id(invocation_id, FIRST_AWAKEABLE)
    await client.post(f"{engine.ingress_url}/restate/awakeables/{awakeable}/resolve", content=b'"yes"')
    result = await client.get(f"{engine.ingress_url}/restate/attach/{invocation_id}")
    if result.status != 200 or result.json() != "yes":
        raise RuntimeError(f"{invocation_id}: {result.status} {result.text()}")
    return (time.perf_counter() - begin) * 1000


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--disk", type=Path, default=HERE.parent / "build", help="a directory on the disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.disk) as directory:
        engine = EmbeddedEngine(SERVICE, Path(directory))
        data_file = engine.data_dir / "perdure.sqlite"
        async with running(engine):
            await send(engine, "suspended", 20)
            engine.kill()
            empty_s = await seconds_to_start(engine)
            at_rest = memory_bytes(engine)
            begin = time.perf_counter()
            ids = await send(engine, "suspended", options.count)
            await until(lambda: suspended(data_file) >= options.count + 20, "all are suspended", every_s=0.5)
            sent_s = time.perf_counter() - begin
            crowded = memory_bytes(engine)
            engine.kill()
            full_s = await seconds_to_start(engine)
            restarted = memory_bytes(engine)
            answered_ms = await answer_one(engine, ids[len(ids) // 2])
        bytes_on_disk = sum(path.stat().st_size for path in engine.data_dir.iterdir())
    print(f"{options.count:,} invocations sent and suspended in {sent_s:.1f} s")
    print(f"memory: {at_rest / 2**20:.0f} MiB at rest, {crowded / 2**20:.0f} MiB once all were suspended,")
    print(f"        {restarted / 2**20:.0f} MiB after a restart")
    print(f"disk:   {bytes_on_disk / 2**20:.0f} MiB, {bytes_on_disk / options.count:,.0f} bytes each")
    print(f"start:  {full_s:.2f} s with them, {empty_s:.2f} s with 20")
    print(f"answer: {answered_ms:.1f} ms from the answer that one waited for to its result")
    print(load_line())
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
