"""`python -m perdure.testing.simulator --seed 1 --runs 1000`: play so many seeds; exit with 1 at the first
that breaks a promise, and print the shortest history found that does."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from perdure.testing.simulator.scenario import generate
from perdure.testing.simulator.shrink import shrink
from perdure.testing.simulator.world import play


def main(argv: list[str] | None = None) -> int:
    """Play; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m perdure.testing.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default: 1)")
    parser.add_argument("--runs", type=int, default=1000, help="how many seeds (default: 1000)")
    arguments = parser.parse_args(argv)
    logging.disable(logging.CRITICAL)  # refused writes are part of the play
    started = time.monotonic()
    for seed in range(arguments.seed, arguments.seed + arguments.runs):
        if broken := play(generate(seed)):
            print(f"seed {seed}: {broken[0]}")
            report(seed)
            return 1
    seconds = time.monotonic() - started
    per_minute = arguments.runs / seconds * 60
    print(f"{arguments.runs} histories, no promise broken; {seconds:.0f} s, {per_minute:.0f} a minute")
    return 0


def report(seed: int) -> None:
    """Print the shortest history like this seed's that breaks a promise."""
    shortest = shrink(generate(seed), lambda scenario: bool(play(scenario)))
    print("the shortest history found that breaks a promise:")
    print(shortest)
    print(*play(shortest), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
