"""Python's cycle collector, set for a process that serves."""

from __future__ import annotations

import gc

_ALLOCATIONS = 20_000


def for_a_server() -> None:
    """Call it once everything is imported: that stays, and is not looked at again.

    By default the collector runs every 700 allocations. Hundreds of invocations at once hold enough that it
    took a fifth of the CPU of their steps (bench/steps.py, 500 at once), and found nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, *gc.get_threshold()[1:])
