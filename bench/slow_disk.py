"""What a slow disk asks of the engine: commits on the event loop's thread, or on one of their own?

Prints, for a fast and a slow disk and both places: microseconds a step, steps/s at once, and how long others
wait meanwhile (p95 of `GET /restate/health`), which is what user code on the same loop feels.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

import pyqwest  # noqa: E402
from child_process import ChildProcess  # noqa: E402
from embedded_engine import EmbeddedEngine  # noqa: E402
from engines import running  # noqa: E402
from ingress_load import IngressLoad  # noqa: E402

ROUNDS = 3
AT_ONCE = ((10, 100), (100, 20), (500, 10))  # invocations, steps of each


class SlowEngine(EmbeddedEngine):
    def __init__(self, directory: Path, where: str, delay_ms: float) -> None:
        super().__init__(str(HERE / "service.py"), directory)
        command = [sys.executable, str(HERE / "slow_disk_engine.py"), where, str(delay_ms)]
        self.process = ChildProcess(command + self.process.command[1:], log_path=self.process.log_path)


async def health_latencies_ms(ingress_url: str, over: asyncio.Event) -> list[float]:
    client = pyqwest.Client(pyqwest.HTTPTransport(timeout=60, enable_otel=False))
    latencies = []
    while not over.is_set():
        begin = time.perf_counter()
        await client.get(f"{ingress_url}/restate/health")
        latencies.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(0.01)
    return latencies


async def measure(where: str, delay_ms: float) -> list[float]:
    """us a step alone; then for each number at once steps/s, and the p95 of what others waited in ms."""
    with tempfile.TemporaryDirectory(dir=HERE.parent / "build") as directory:
        async with running(SlowEngine(Path(directory), where, delay_ms)) as engine:
            load = IngressLoad(engine.ingress_url)
            await load.seconds(4, 25)
            measured = [await load.seconds(1, 300) / 300 * 1e6]
            for invocations, steps in AT_ONCE:
                over = asyncio.Event()
                probe = asyncio.create_task(health_latencies_ms(engine.ingress_url, over))
                seconds = await load.seconds(invocations, steps)
                measured.append(invocations * steps / seconds)
                over.set()
                measured.append(statistics.quantiles(await probe, n=20)[-1])
            return measured


async def main() -> None:
    variants: list[tuple[str, float]] = [
        (where, delay_ms) for delay_ms in (0, 5) for where in ("loop", "thread")
    ]
    taken: dict[tuple[str, float], list[list[float]]] = {variant: [] for variant in variants}
    for _ in range(ROUNDS):
        for where, delay_ms in variants:
            taken[where, delay_ms].append(await measure(where, delay_ms))
    heads = [f"steps/s, {invocations} at once | others wait, ms" for invocations, _ in AT_ONCE]
    print(" | ".join(["commit takes longer by", "on thread of", "us a step", *heads]))
    for (where, delay_ms), rounds in taken.items():
        medians = [f"{statistics.median(column):,.0f}" for column in zip(*rounds, strict=True)]
        print(" | ".join([f"{delay_ms} ms", where, *medians]))


if __name__ == "__main__":
    asyncio.run(main())
