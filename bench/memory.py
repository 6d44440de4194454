"""MiB that a thousand invocations cost: idle (an attempt that waits), suspended (rows), running (in a step).

Each kind on an engine that was just started; memory is that of the engine and of what runs its handlers.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

from contenders import PERDURE, RESTATE, STOCK  # noqa: E402
from embedded_engine import EmbeddedEngine  # noqa: E402
from engines import Engine, RestateServerWithEndpoint, running  # noqa: E402
from waiting_load import SERVICE, load_line, memory_bytes, send  # noqa: E402

KINDS = ("idle", "suspended", "running")
SETTLE_S = 3.0


def engine(name: str, directory: Path) -> Engine:
    if name == PERDURE:
        return EmbeddedEngine(SERVICE, directory)
    return RestateServerWithEndpoint(SERVICE, directory, server_env=STOCK)


async def cost_mib(name: str, kind: str, count: int, disk: Path) -> tuple[float, float]:
    """(MiB before, MiB more with `count` of this kind)."""
    with tempfile.TemporaryDirectory(dir=disk) as directory:
        async with running(engine(name, Path(directory))) as one:
            await send(one, kind, 20)  # what is loaded on first use is not theirs to pay
            await asyncio.sleep(SETTLE_S)
            before = memory_bytes(one)
            await send(one, kind, count)
            await asyncio.sleep(SETTLE_S)
            return before / 2**20, (memory_bytes(one) - before) / 2**20


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=900, help="less than the default --concurrency")
    parser.add_argument("--disk", type=Path, default=HERE.parent / "build", help="a directory on the disk")
    options = parser.parse_args()
    print(f"{'MiB':18} |  at rest | {' | '.join(f'1,000 {kind:9}' for kind in KINDS)}")
    for name in (PERDURE, RESTATE):
        found = [await cost_mib(name, kind, options.count, options.disk) for kind in KINDS]
        cells = [f"{more * 1000 / options.count:15.1f}" for _, more in found]
        print(f"{name:18} | {found[0][0]:8.0f} | {' | '.join(cells)}")
    print(load_line())
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
