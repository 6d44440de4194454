"""Seconds from the start of a process that was killed to the last of its invocations taken up again.

First many invocations with one recorded step each, then one with a long journal: what is timed is the attempt
after a SIGKILL, up to where it has all its recorded steps again and goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

from contenders import PERDURE, RESTATE, STOCK  # noqa: E402
from embedded_engine import EmbeddedEngine  # noqa: E402
from engines import Engine, RestateServerWithEndpoint, running  # noqa: E402
from waiting_load import SERVICE, load_line, memory_bytes, send, until  # noqa: E402


class _BothAtOnce(RestateServerWithEndpoint):
    """A server that is up before its endpoint would back off, and that is not what is measured."""

    async def start(self) -> None:
        self.endpoint.process.start()
        await self.server.start()
        await self.endpoint.process.wait_for_http(f"{self.endpoint.url}/health", http2=True)
        if not self._registered:
            await self.server.register(self.endpoint.url)
            self._registered = True


class Trial:
    """One engine whose invocations hold until it is killed, and say when they have been taken up again.

    While they hold, `concurrency` attempts run at once; the embedded engine takes them up with its default.
    """

    def __init__(self, name: str, directory: Path, concurrency: int) -> None:
        self._hold = directory / "hold"
        self._held = directory / "held"
        self._resumed = directory / "resumed"
        env = {
            "HOLD_FILE": str(self._hold),
            "HELD_LOG": str(self._held),
            "RESUMED_LOG": str(self._resumed),
        }
        if name == PERDURE:
            crowded = env | {"PERDURE_CONCURRENCY": str(concurrency)}
            self._before: Engine = EmbeddedEngine(SERVICE, directory, env=crowded)
            self._after: Engine = EmbeddedEngine(SERVICE, directory, env=env)
        else:
            limit = {"RESTATE_WORKER__INVOKER__CONCURRENT_INVOCATIONS_LIMIT": str(concurrency)}
            self._before = self._after = _BothAtOnce(SERVICE, directory, env=env, server_env=STOCK | limit)

    async def take_up(self, invocations: int, steps: int) -> tuple[float, float, float]:
        """(seconds from process start to the last taken up, the longest replay, MiB when all are done)."""
        self._hold.touch()
        self._held.touch()
        async with running(self._before):
            await send(self._before, "take_up", invocations, steps)
            await until(lambda: len(self._held.read_text()) >= invocations, "all hold")
        self._hold.unlink()
        began_at = time.time()
        async with running(self._after):
            await until(lambda: len(self._lines()) >= invocations, "all are taken up")
            attempts = [tuple(map(float, line.split())) for line in self._lines()]
            last = max(resumed_at for _, resumed_at in attempts) - began_at
            replay = max(resumed_at - attempt_at for attempt_at, resumed_at in attempts)
            return last, replay, memory_bytes(self._after) / 2**20

    def _lines(self) -> list[str]:
        return self._resumed.read_text().splitlines() if self._resumed.exists() else []


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--invocations", type=int, default=10_000)
    parser.add_argument("--entries", type=int, default=10_000, help="in the long journal: two for each step")
    parser.add_argument("--concurrency", type=int, default=1_000)
    parser.add_argument("--only", choices=(PERDURE, RESTATE), action="append", help="default: both")
    parser.add_argument("--disk", type=Path, default=HERE.parent / "build", help="a directory on the disk")
    options = parser.parse_args()
    head = f"{options.invocations:,} taken up, s | MiB after | {options.entries:,} entries replayed, s"
    print(f"{'':18} | {head} | from process start, s")
    for name in options.only or (PERDURE, RESTATE):
        cells = []
        for count, steps in ((options.invocations, 1), (1, options.entries // 2)):
            with tempfile.TemporaryDirectory(dir=options.disk) as directory:
                trial = Trial(name, Path(directory), max(options.concurrency, count))
                last, replay, mib = await trial.take_up(count, steps)
                cells += (
                    [f"{last:19.2f}", f"{mib:9.0f}"] if count > 1 else [f"{replay:26.2f}", f"{last:21.2f}"]
                )
        print(f"{name:18} | {' | '.join(cells)}")
    print(load_line())
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
