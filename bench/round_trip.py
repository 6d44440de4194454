"""Milliseconds of an ingress round trip: the embedded engine beside restate-server, in the same run.

A call of a handler that returns what it was given, by clients that have one call each under way. The rounds
alternate, so that what disturbs one engine has its chance to disturb the other.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

import pyqwest  # noqa: E402
from contenders import PERDURE, RESTATE, STOCK  # noqa: E402
from embedded_engine import EmbeddedEngine  # noqa: E402
from engines import Engine, RestateServerWithEndpoint, running  # noqa: E402
from waiting_load import JSON, SERVICE, load_line  # noqa: E402

WARM_UP = 200


async def latencies_ms(engine: Engine, calls: int, clients: int) -> list[float]:
    """Of `calls` calls by `clients` clients, each one call after the other."""
    client = pyqwest.Client(pyqwest.HTTPTransport(timeout=60, enable_otel=False))
    url = f"{engine.ingress_url}/Waits/answer"
    left = iter(range(calls))
    taken: list[float] = []

    async def caller() -> None:
        for number in left:
            begin = time.perf_counter()
            answer = await client.post(url, headers=JSON, content=str(number).encode())
            taken.append((time.perf_counter() - begin) * 1000)
            if answer.status != 200 or answer.json() != number:
                raise RuntimeError(f"{url}: {answer.status} {answer.text()}")

    await asyncio.gather(*(caller() for _ in range(clients)))
    return taken


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=5_000, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--disk", type=Path, default=HERE.parent / "build", help="a directory on the disk")
    options = parser.parse_args()
    loads = (1, 20)
    found: dict[tuple[str, int], list[float]] = {}
    with (
        tempfile.TemporaryDirectory(dir=options.disk) as ours,
        tempfile.TemporaryDirectory(dir=options.disk) as theirs,
    ):
        embedded = EmbeddedEngine(SERVICE, Path(ours))
        server = RestateServerWithEndpoint(SERVICE, Path(theirs), server_env=STOCK)
        async with running(embedded), running(server):
            contenders: dict[str, Engine] = {PERDURE: embedded, RESTATE: server}
            for engine in contenders.values():
                await latencies_ms(engine, WARM_UP, 4)
            for _ in range(options.rounds):
                for clients in loads:
                    for name, engine in contenders.items():
                        taken = await latencies_ms(engine, options.calls, clients)
                        found.setdefault((name, clients), []).extend(taken)
    print(f"{'':18} | clients |   p50 ms | x {RESTATE} |   p99 ms | x {RESTATE}")
    for clients in loads:
        for name in (PERDURE, RESTATE):
            cells = []
            for percent in (50, 99):
                value, reference = (
                    statistics.quantiles(found[who, clients], n=100)[percent - 1] for who in (name, RESTATE)
                )
                cells += [f"{value:8.2f}", f"{value / reference:16.2f}"]
            print(f"{name:18} | {clients:7} | {' | '.join(cells)}")
    print(load_line())
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
