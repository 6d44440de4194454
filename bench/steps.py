"""Microseconds per journaled step: the embedded engine, restate-server, and DBOS on SQLite, side by side.

Every contender gets the same loads in every round, one contender at a time, each with a fresh data directory
on the same disk; the table has medians over the rounds. What is fair and what is not: bench/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

from contenders import CONTENDERS, RESTATE, missing  # noqa: E402
from disk import fdatasync_us  # noqa: E402


@dataclass(frozen=True)
class Load:
    """`invocations` at once, each journaling `steps` steps one after the other."""

    invocations: int
    steps: int

    def per_second(self, seconds: float) -> float:
        return self.invocations * self.steps / seconds


WARM_UP = Load(4, 25)
SEQUENTIAL = Load(1, 1_000)
AT_ONCE = (Load(100, 10), Load(500, 10))
LOADS = (SEQUENTIAL, *AT_ONCE)


async def measure(name: str, disk: Path) -> dict[Load, float]:
    """Seconds that each load took on a contender that was just started and warmed up."""
    with tempfile.TemporaryDirectory(dir=disk) as directory:
        async with CONTENDERS[name](Path(directory)) as contender:
            await contender.seconds(WARM_UP.invocations, WARM_UP.steps)
            await asyncio.to_thread(os.sync)  # what was written before this contender is not its to pay
            return {load: await contender.seconds(load.invocations, load.steps) for load in LOADS}


def table(medians: dict[str, dict[Load, float]], fdatasync: float) -> str:
    """One line a contender; `medians` are seconds, `fdatasync` is microseconds."""
    heads = ["us a step", "/ fdatasync", f"/ {RESTATE}"]
    for load in AT_ONCE:
        heads += [f"steps/s, {load.invocations} at once", f"x {RESTATE}"]
    lines = [" | ".join(["".ljust(18), *heads])]
    reference = medians.get(RESTATE)
    for name, median in medians.items():
        step_us = 1e6 / SEQUENTIAL.per_second(median[SEQUENTIAL])
        cells = [f"{step_us:,.0f}", f"{step_us / fdatasync:.1f}"]
        cells.append(f"{median[SEQUENTIAL] / reference[SEQUENTIAL]:.2f}" if reference else "-")
        for load in AT_ONCE:
            cells.append(f"{load.per_second(median[load]):,.0f}")
            cells.append(f"{reference[load] / median[load]:.2f}" if reference else "-")
        lines.append(
            " | ".join(
                [name.ljust(18), *(cell.rjust(len(head)) for cell, head in zip(cells, heads, strict=True))]
            )
        )
    return "\n".join(lines)


async def main() -> int:
    parser = argparse.ArgumentParser(description="Microseconds per journaled step, side by side.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=CONTENDERS, action="append", help="default: all")
    parser.add_argument("--disk", type=Path, default=HERE.parent / "build", help="a directory on the disk")
    options = parser.parse_args()
    if not options.only and (problems := missing()):
        print("cannot compare:", *problems, sep="\n  ", file=sys.stderr)
        return 1
    options.disk.mkdir(exist_ok=True)
    if (busy := os.getloadavg()[0]) > 0.5:
        print(f"other programs keep {busy:.1f} cores busy: the figures will be off", file=sys.stderr)
    taken: dict[str, dict[Load, list[float]]] = {
        name: {load: [] for load in LOADS} for name in options.only or CONTENDERS
    }
    fdatasyncs = []
    for round_number in range(1, options.rounds + 1):
        fdatasyncs.append(fdatasync_us(options.disk))
        print(f"round {round_number} of {options.rounds}: fdatasync {fdatasyncs[-1]:.0f} us", flush=True)
        for name, loads in taken.items():
            for load, seconds in (await measure(name, options.disk)).items():
                loads[load].append(seconds)
                rate = f"{load.per_second(seconds):,.0f} steps/s"
                print(
                    f"  {name}: {load.invocations} x {load.steps} steps in {seconds:.2f} s, {rate}",
                    flush=True,
                )
    medians = {
        name: {load: statistics.median(s) for load, s in loads.items()} for name, loads in taken.items()
    }
    fdatasync = statistics.median(fdatasyncs)
    print(f"\nmedian fdatasync of this disk: {fdatasync:.0f} us\n\n{table(medians, fdatasync)}")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
